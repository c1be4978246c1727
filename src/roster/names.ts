import type { NoticeLog } from './notices.ts';
import type { RosterPlace } from './roster.ts';

const maxNameLength = 100;

/** Checks surname and given name, and adds an error for each that is empty or no name. @returns whether both are sound. */
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
