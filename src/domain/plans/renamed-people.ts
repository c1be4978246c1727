import { editDistance } from '../../suggestions.ts';
import { searchable } from '../text.ts';
import type { Note } from './notes.ts';
import type { PersonState, PlannedRow } from './plan-rows.ts';

/**
 * Finds pairs of a new person and a leaving person who are probably one person. If a file corrects a name or a birth date,
 * the plan adds a person with the corrected data, and the person with the former data leaves the school.
 */

interface Person {
  state: PersonState;
  surname: string;
  givenName: string;
  patronymic: string;
}

/**
 * The maximum number of leaving people, for each key (`keysOf`), with whom a new person is compared. In one class, usually one
 * or two people have the same key.
 */
const maxCandidates = 20;

/**
 * Returns the rows with a note PERSON_RENAMED on each new person who resembles a person who leaves. Compares only people of
 * the same class or birth date who also share a name or both initials. So the time grows only in proportion to the number of
 * rows.
 */
export function withRenameNotes(rows: readonly PlannedRow[]): PlannedRow[] {
  const leaving = new Map<string, Person[]>();
  for (const row of rows) {
    if (row.noun !== 'PERSON' || row.proposed !== 'END') continue;
    const person = personOf(row.before as PersonState);
    for (const key of keysOf(person)) {
      const people = leaving.get(key);
      if (people === undefined) leaving.set(key, [person]);
      else if (people.length < maxCandidates) people.push(person);
    }
  }
  if (leaving.size === 0) return [...rows];
  return rows.map((row) => {
    if (row.noun !== 'PERSON' || row.operation !== 'ADD' || row.note !== null) return row;
    const person = personOf(row.after as PersonState);
    const candidates = new Set(keysOf(person).flatMap((key) => leaving.get(key) ?? []));
    for (const candidate of candidates) if (isSamePerson(person, candidate)) return { ...row, note: renamed(candidate.state) };
    return row;
  });
}

const personOf = (state: PersonState): Person => ({
  state,
  surname: searchable(state.surname),
  givenName: searchable(state.givenName),
  patronymic: searchable(state.patronymic ?? ''),
});

/** Returns the keys of a person. Each key is a class or a birth date, with a name or both initials. */
function keysOf({ state, surname, givenName }: Person): string[] {
  const places = [state.classId, state.birthDate].filter((place) => place !== null);
  const names = [`surname ${surname}`, `given name ${givenName}`, `initials ${surname.charAt(0)}${givenName.charAt(0)}`];
  return places.flatMap((place) => names.map((name) => `${place} ${name}`));
}

function isSamePerson(added: Person, left: Person): boolean {
  const [a, b] = [added.state, left.state];
  // Two different external ids are two people: a system keeps the id of a person whose name it corrects.
  if (a.externalId !== null && b.externalId !== null && a.externalId !== b.externalId) return false;
  if (isStudent(a) !== isStudent(b)) return false;
  const isOtherDay = a.birthDate !== null && b.birthDate !== null && a.birthDate !== b.birthDate;
  // The file corrects the birth date or the name, but not both. So if the birth dates differ, the names must be the same.
  if (isOtherDay) return added.surname === left.surname && added.givenName === left.givenName && isNearPatronymic(added, left);
  const hasOtherSurname = added.givenName === left.givenName && added.patronymic !== '' && added.patronymic === left.patronymic;
  return (
    hasOtherSurname || (isNear(added.surname, left.surname) && isNear(added.givenName, left.givenName) && isNearPatronymic(added, left))
  );
}

const isStudent = ({ roles }: PersonState): boolean => roles.includes('STUDENT');

const isNearPatronymic = (a: Person, b: Person): boolean =>
  a.patronymic === '' || b.patronymic === '' || isNear(a.patronymic, b.patronymic);

/** Whether two names differ only by a typing error: one letter, or two letters if a name has six or more. */
function isNear(a: string, b: string): boolean {
  if (a === b) return true;
  const max = Math.max(a.length, b.length) < 6 ? 1 : 2;
  return Math.abs(a.length - b.length) <= max && editDistance(a, b) <= max;
}

function renamed({ surname, givenName, className }: PersonState): Note {
  const person = [`${surname} ${givenName}`, className].filter(Boolean).join(', ');
  return {
    code: 'PERSON_RENAMED',
    message: [
      `Похоже, это тот же человек, что и «${person}», который выбывает: в файле исправили имя или дату рождения. Если так, не применяйте план: выгрузите список, исправьте человека в нём, не меняя столбец ID, и импортируйте его.`,
      `This looks like the person “${person}”, who leaves: the file corrects a name or a birth date. If so, do not apply the plan: export the list, correct the person there without changing the ID column, and import it.`,
    ],
  };
}
