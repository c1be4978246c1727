import { Refusal } from '../../errors.ts';
import type { RosterPerson } from '../../roster/roster.ts';
import { contactFields, nameFields } from '../users.ts';
import type { NoteCode } from './notes.ts';
import type { PersonState } from './plan-rows.ts';
import type { PresentPerson } from './present-roster.ts';

/** Decides which names, birth date and e-mail address a person has after an import. */

/** Returns whether the names of a person can be stored. */
export function isUsable(person: RosterPerson): boolean {
  try {
    nameFields(person);
    return true;
  } catch (error) {
    if (error instanceof Refusal) return false;
    throw error;
  }
}

type Names = Pick<PersonState, 'surname' | 'givenName' | 'patronymic' | 'birthDate' | 'email'>;

/**
 * Returns the names after an import, and the code of a note if the school keeps its name instead of the name in the file.
 * Keeps a name that a person corrected by hand, and every name of a person who has a role in another school. Sets the e-mail
 * address only if the person has no address.
 */
export function namesAfter(wanted: RosterPerson | undefined, found: PresentPerson | undefined): [Names, NoteCode | null] {
  if (wanted === undefined) return [namesOf(found!), null];
  const { surname, givenName, patronymic } = nameFields(wanted);
  const stated = {
    surname,
    givenName,
    patronymic: wanted.patronymic === undefined ? (found?.patronymic ?? null) : patronymic,
    birthDate: (canSet(found, 'birthDate') ? wanted.birthDate : undefined) ?? found?.birthDate ?? null,
    email: found?.email ?? (canSet(found, 'email') ? emailOf(wanted) : null),
  };
  if (found === undefined) return [stated, null];
  const present = namesOf(found);
  const kept: Names = { ...stated };
  let code: NoteCode | null = null;
  for (const column of ['surname', 'givenName', 'patronymic'] as const) {
    if (stated[column] === present[column]) continue;
    const reason = found.handSet.includes(column) ? 'NAME_SET_BY_HAND' : found.isElsewhere ? 'IN_ANOTHER_SCHOOL' : null;
    // A row without an external id was matched by its name. The school keeps its own spelling, since the file may have е for
    // ё. Only a missing patronymic is filled in.
    if (reason === null && (wanted.externalId !== undefined || present[column] === null)) continue;
    Object.assign(kept, { [column]: present[column] });
    code ??= reason;
  }
  return [kept, code];
}

/**
 * Returns whether an import may set the birth date or the e-mail address. Links for a new password go to the e-mail address,
 * so a person who has joined or has a role in another school keeps both.
 */
const canSet = (found: PresentPerson | undefined, column: 'birthDate' | 'email'): boolean =>
  found === undefined || !(found.hasJoined || found.isElsewhere || found.handSet.includes(column));

const namesOf = ({ surname, givenName, patronymic, birthDate, email }: PresentPerson): Names => ({
  surname,
  givenName,
  patronymic,
  birthDate,
  email,
});

/** Returns null for an invalid address: the person can give a valid one later. */
function emailOf({ email }: RosterPerson): string | null {
  try {
    return contactFields({ email }).email ?? null;
  } catch (error) {
    if (error instanceof Refusal) return null;
    throw error;
  }
}
