import type { NoticeLog } from './notices.ts';
import type { RosterPlace } from './roster.ts';

const maxNameLength = 100;

/** Returns whether both names are valid. Adds an error for a name that is empty, too long or without a letter. */
export function checkNames(
  names: { readonly surname: string; readonly givenName: string },
  columns: { readonly surname: string; readonly givenName: string },
  at: RosterPlace,
  notices: NoticeLog,
): boolean {
  let isSound = true;
  for (const part of ['surname', 'givenName'] as const) {
    const isName = /\p{L}/u.test(names[part]) && names[part].length <= maxNameLength;
    if (names[part] === '') notices.error('NAME_EMPTY', at, columns[part]);
    else if (!isName) notices.error('NAME_INVALID', at, columns[part]);
    isSound &&= isName;
  }
  return isSound;
}
