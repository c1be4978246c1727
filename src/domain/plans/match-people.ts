import { idOfKey, type RosterPerson } from '../../roster/roster.ts';
import { searchable } from '../text.ts';
import type { PresentPerson } from './present-roster.ts';

/**
 * Matches the people of a roster with people of the school: by external id, otherwise by name. Tells namesakes apart by birth
 * date, then by class. A row is AMBIGUOUS if several people still fit. Two rows never match the same person.
 */

export type Match = PresentPerson | 'NEW' | 'AMBIGUOUS';

export interface Matches {
  /** The match of each person of the roster, by the key of the person. */
  of: ReadonlyMap<string, Match>;
  /**
   * The people of the school whom the roster names, including people whom an AMBIGUOUS row may mean. They have not left the
   * school.
   */
  named: ReadonlySet<PresentPerson>;
}

export interface PersonToMatch {
  person: RosterPerson;
  isStudent: boolean;
  /** The id of the class in the school; null without a class, and for a class that the plan creates. */
  classId: string | null;
  /** The key of the class in the roster; null without a class. A class that the plan creates has a key, too. */
  classKey: string | null;
}

/** People of the same surname and given name have the same key. */
export const nameKey = ({ surname, givenName }: Pick<RosterPerson, 'surname' | 'givenName'>): string =>
  searchable(`${surname}\u001f${givenName}`);

/** Returns how many people with a role have each name. */
export function countNames(present: readonly PresentPerson[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const person of present) if (person.grants.length > 0) counts.set(nameKey(person), (counts.get(nameKey(person)) ?? 0) + 1);
  return counts;
}

const isStudent = ({ grants }: PresentPerson): boolean => grants.some(({ role }) => role === 'STUDENT');

/**
 * Maximum number, for one name, of rows without an external id, and of people of the school. If there are more rows or more
 * people, every row of the name is AMBIGUOUS. Without the limit, 20,000 rows of one name took 12 s.
 */
const maxNamesakes = 100;

export function matchPeople(wanted: readonly PersonToMatch[], present: readonly PresentPerson[]): Matches {
  const of = new Map<string, Match>();
  const named = new Set<PresentPerson>();
  const take = (key: string, person: PresentPerson): void => {
    of.set(key, person);
    named.add(person);
  };
  const find = finderById(present);
  for (const { person } of wanted) {
    const found = find(person.externalId ?? idOfKey(person.key));
    if (found !== undefined && !named.has(found)) take(person.key, found);
  }
  const groups = groupBy(
    wanted.filter(({ person }) => !of.has(person.key)),
    (one) => `${one.isStudent ? 'student' : 'staff'} ${nameKey(one.person)}`,
  );
  const candidates = groupBy(
    present.filter((person) => person.grants.length > 0 && !named.has(person)),
    (person) => `${isStudent(person) ? 'student' : 'staff'} ${nameKey(person)}`,
  );
  for (const [key, group] of groups) {
    const resolved = new Namesakes(group, candidates.get(key) ?? []).resolve();
    for (const [one, match] of resolved.of) {
      if (typeof match === 'string') of.set(one.person.key, match);
      else take(one.person.key, match);
    }
    for (const person of resolved.left) named.add(person);
  }
  return { of, named };
}

/** Returns a function that finds a person by external id, or by Sfera’s own id, which `exportRoster` writes. */
export function finderById(present: readonly PresentPerson[]): (externalId: string | undefined) => PresentPerson | undefined {
  const byExternalId = new Map(present.flatMap((person) => (person.externalId === null ? [] : [[person.externalId, person] as const])));
  const byOwnId = new Map(present.map((person) => [person.id, person]));
  return (externalId) => (externalId === undefined ? undefined : (byExternalId.get(externalId) ?? byOwnId.get(externalId)));
}

/** The rows and the people of one surname and given name. */
class Namesakes {
  readonly #rows: Set<PersonToMatch>;
  readonly #people: Set<PresentPerson>;
  readonly #of = new Map<PersonToMatch, Match>();

  constructor(rows: readonly PersonToMatch[], people: readonly PresentPerson[]) {
    this.#rows = new Set(rows);
    this.#people = new Set(people);
  }

  /** Returns the matches. `left` are the people without a match, if a row may mean one of them; otherwise `left` is empty. */
  resolve(): { of: ReadonlyMap<PersonToMatch, Match>; left: Iterable<PresentPerson> } {
    if (this.#people.size > maxNamesakes || this.#rowsWithoutId().length > maxNamesakes)
      return { of: new Map([...this.#rows].map((row) => [row, 'AMBIGUOUS'])), left: this.#people };
    this.#pair(hasSameBirthDate);
    this.#pair((row, person) => row.classId !== null && row.classId === person.enrolment?.classId);
    this.#pair(() => true);
    const isOpen = [...this.#rows].some((row) => this.#candidatesOf(row).length > 0);
    const withoutId = this.#rowsWithoutId();
    for (const row of this.#rows) {
      // Two rows with external ids are two people, so a row with an id is compared only with rows without an id.
      const others = row.person.externalId === undefined ? this.#rows : withoutId;
      this.#of.set(row, isOpen && this.#candidatesOf(row).length > 0 ? 'AMBIGUOUS' : this.#asNew(row, others));
    }
    return { of: this.#of, left: isOpen ? this.#people : [] };
  }

  /** Matches a row and a person if each is the only candidate of the other for which `fits` is true. */
  #pair(fits: (row: PersonToMatch, person: PresentPerson) => boolean): void {
    const pairs = [...this.#rows].map((row) => [row, this.#candidatesOf(row).filter((person) => fits(row, person))] as const);
    const rowCounts = new Map<PresentPerson, number>();
    for (const [, people] of pairs) for (const person of people) rowCounts.set(person, (rowCounts.get(person) ?? 0) + 1);
    for (const [row, [person, ...more]] of pairs) {
      if (person === undefined || more.length > 0 || rowCounts.get(person) !== 1) continue;
      this.#of.set(row, person);
      this.#rows.delete(row);
      this.#people.delete(person);
    }
  }

  #candidatesOf(row: PersonToMatch): PresentPerson[] {
    return [...this.#people].filter((person) => mayBe(row.person, person));
  }

  #rowsWithoutId(): PersonToMatch[] {
    return [...this.#rows].filter(({ person }) => person.externalId === undefined);
  }

  /**
   * Returns AMBIGUOUS if another new row of the same name and class may be the same person, listed twice. Otherwise returns
   * NEW.
   */
  #asNew(row: PersonToMatch, others: Iterable<PersonToMatch>): 'NEW' | 'AMBIGUOUS' {
    const isTwin = (other: PersonToMatch): boolean =>
      other !== row &&
      other.classKey === row.classKey &&
      (other.person.externalId === undefined || row.person.externalId === undefined) &&
      (other.person.birthDate === undefined || row.person.birthDate === undefined || other.person.birthDate === row.person.birthDate) &&
      isSamePatronymic(other.person.patronymic, row.person.patronymic);
    for (const other of others) if (isTwin(other)) return 'AMBIGUOUS';
    return 'NEW';
  }
}

const hasSameBirthDate = ({ person }: PersonToMatch, present: PresentPerson): boolean =>
  person.birthDate !== undefined && person.birthDate === present.birthDate;

/** A missing patronymic equals every patronymic: the person may have left it out. */
const isSamePatronymic = (a: string | null | undefined, b: string | null | undefined): boolean =>
  !a || !b || a === b || searchable(a) === searchable(b);

/**
 * Returns whether a row and a person may be the same: patronymic, birth date and external id agree wherever both have one.
 */
const mayBe = (wanted: RosterPerson, present: PresentPerson): boolean =>
  isSamePatronymic(wanted.patronymic, present.patronymic) &&
  (wanted.birthDate === undefined || present.birthDate === null || wanted.birthDate === present.birthDate) &&
  (wanted.externalId === undefined || present.externalId === null || wanted.externalId === present.externalId);

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group === undefined) groups.set(keyOf(item), [item]);
    else group.push(item);
  }
  return groups;
}
