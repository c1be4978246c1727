import { newId } from '../../db/ids.ts';
import { idOfKey, type Roster, type RosterEnrolment, type RosterPerson } from '../../roster/roster.ts';
import type { RoleGrant } from '../entities.ts';
import { externalIdOf, type Compared } from './compare-classes.ts';
import { countNames, finderById, matchPeople, nameKey, type Match } from './match-people.ts';
import { note, type NoteCode } from './notes.ts';
import { isUsable, namesAfter } from './names-after.ts';
import { changeRow, endRow, errorRow, isSameState, protectedRow, type PersonState, type PlannedRow } from './plan-rows.ts';
import type { PresentGrant, PresentPerson, PresentRoster } from './present-roster.ts';
import { withRenameNotes } from './renamed-people.ts';

/** Compares the people of a roster, their roles and their classes with those of the school. */

type Role = RoleGrant['role'];

/** A person of the school, or one whom the plan creates. `AssignmentComparison` reads this. */
export interface ComparedPerson {
  id: string;
  name: string;
  /** Whether the person teaches after the import. */
  isTeacher: boolean;
}

export interface ComparedPeople {
  rows: PlannedRow[];
  /** Each person, by the key of the person in the roster. Null for a person who has an error or leaves the school. */
  of: Map<string, ComparedPerson | null>;
  /** The people who leave the school. */
  endedIds: Set<string>;
  coveredCount: number;
}

/** What the roster says about one person, from all of its lists. */
interface Wanted {
  key: string;
  person: RosterPerson | undefined;
  roles: ReadonlySet<Role>;
  enrolment: RosterEnrolment | undefined;
  /** The enrolment that has ended according to the roster. */
  left: RosterEnrolment | undefined;
  isStudent: boolean;
}

type Found = PresentPerson | undefined;

export class PeopleComparison {
  readonly #roster: Roster;
  readonly #present: PresentRoster;
  readonly #classes: Compared['of'];
  readonly #rows: PlannedRow[] = [];
  readonly #of: ComparedPeople['of'] = new Map();
  readonly #endedIds = new Set<string>();
  readonly #className: ReadonlyMap<string, string>;
  readonly #namesakes: ReadonlyMap<string, number>;

  /** The roles that the import neither grants nor ends, each with the code of the note that says so. */
  readonly #withheld: ReadonlyMap<Role, NoteCode>;

  constructor(roster: Roster, present: PresentRoster, classes: Compared['of'], { isByService }: { isByService: boolean }) {
    this.#withheld = new Map<Role, NoteCode>([
      ['PLATFORM_ADMINISTRATOR', 'ADMINISTRATOR_BY_HAND'],
      ...(isByService ? [['SCHOOL_ADMINISTRATION', 'ADMINISTRATION_BY_HAND'] as const] : []),
    ]);
    this.#roster = roster;
    this.#present = present;
    this.#classes = classes;
    this.#className = new Map([...classes.values()].flatMap((one) => (one === null ? [] : [[one.id, one.name] as const])));
    this.#namesakes = countNames(present.people);
  }

  compare(): ComparedPeople {
    const wanted = this.#wanted();
    const matches = matchPeople(
      wanted.flatMap((one) => (one.person === undefined ? [] : [this.#toMatch(one, one.person)])),
      this.#present.people,
    );
    const find = finderById(this.#present.people);
    const named = new Set(matches.named);
    for (const one of wanted) {
      const match = one.person === undefined ? (find(idOfKey(one.key)) ?? 'NEW') : matches.of.get(one.key)!;
      if (typeof match !== 'string') named.add(match);
      this.#compareOne(one, match);
    }
    const covered = this.#present.people.filter((person) => person.grants.length > 0 && this.#covers(person));
    for (const person of covered) if (!named.has(person)) this.#end(person, null);
    return { rows: withRenameNotes(this.#rows), of: this.#of, endedIds: this.#endedIds, coveredCount: this.#coveredCount(covered) };
  }

  /**
   * Returns the number of people whom the file should list. A file that lists only changes need not list anyone: for such a
   * file, returns the number of all people with a role in the school.
   */
  #coveredCount(covered: readonly PresentPerson[]): number {
    return covered.length > 0 ? covered.length : this.#present.people.filter(({ grants }) => grants.length > 0).length;
  }

  #wanted(): Wanted[] {
    const { people, enrolments, assignments } = this.#roster;
    const byKey = new Map(people.map((person) => [person.key, person]));
    const active = new Map(enrolments.filter(({ isActive }) => isActive).map((enrolment) => [enrolment.person, enrolment]));
    const left = new Map(enrolments.filter(({ isActive }) => !isActive).map((enrolment) => [enrolment.person, enrolment]));
    const teaching = new Set(assignments.filter(({ isActive }) => isActive).map(({ person }) => person));
    const keys = new Set([...byKey.keys(), ...active.keys(), ...left.keys(), ...teaching]);
    return [...keys].map((key) => {
      const person = byKey.get(key);
      const roles = new Set<Role>(person?.roles);
      if (active.has(key)) roles.add('STUDENT');
      if (teaching.has(key) && person?.roles.length === 0) roles.add('TEACHER');
      const isStudent = roles.has('STUDENT');
      return { key, person, roles, enrolment: active.get(key), left: left.get(key), isStudent };
    });
  }

  #toMatch({ enrolment, isStudent }: Wanted, person: RosterPerson) {
    const found = enrolment && this.#classes.get(enrolment.class);
    return { person, isStudent, classId: found && !found.isNew ? found.id : null, classKey: enrolment?.class ?? null };
  }

  #compareOne(wanted: Wanted, match: Match): void {
    const found = typeof match === 'string' ? undefined : match;
    const { person } = wanted;
    const at = (person ?? wanted.enrolment ?? wanted.left)?.at ?? null;
    const before = found === undefined ? null : this.#stateOf(found);
    const thing = { noun: 'PERSON', thingId: found?.id ?? newId(), at, before } as const;
    const fail = (code: NoteCode): void => {
      this.#of.set(wanted.key, null);
      if (at !== null) this.#rows.push(errorRow(thing, note(code)));
    };
    if (person?.hasError) return void this.#of.set(wanted.key, this.#compared(found));
    if (person === undefined && found === undefined) return fail('PERSON_UNKNOWN');
    if (match === 'AMBIGUOUS') return fail('NAMESAKES');
    if (person?.isActive === false) {
      if (found !== undefined && found.grants.length > 0) this.#end(found, person.at);
      return void this.#of.set(wanted.key, null);
    }
    const problem = this.#problemOf(wanted, found);
    if (problem !== null) return fail(problem);
    this.#of.set(wanted.key, this.#change(wanted, found, thing));
  }

  #compared(found: Found): ComparedPerson | null {
    if (found === undefined) return null;
    return { id: found.id, name: nameOf(found), isTeacher: found.grants.some(({ role }) => role === 'TEACHER') };
  }

  #problemOf({ person, roles, enrolment }: Wanted, found: Found): NoteCode | null {
    if (found?.isDeactivated) return 'DEACTIVATED';
    const held = new Set([...(found?.grants ?? []).map(({ role }) => role), ...roles]);
    if (held.size === 0) return 'ROLE_MISSING';
    if (held.has('STUDENT') && held.size > 1) return 'ROLE_CONFLICT';
    if (found === undefined && [...roles].every((role) => this.#withheld.has(role))) return this.#withheldNote([...roles]);
    if (enrolment !== undefined && !this.#classes.get(enrolment.class)) return 'CLASS_UNKNOWN';
    const isElsewhere = found?.enrolment != null && found.enrolment.schoolId !== this.#present.school.id;
    if (isElsewhere && enrolment !== undefined) return 'ENROLLED_ELSEWHERE';
    return person === undefined || isUsable(person) ? null : 'NAME_UNUSABLE';
  }

  #change(wanted: Wanted, found: Found, thing: { thingId: string; at: PlannedPlace; before: PersonState | null }): ComparedPerson {
    const { before } = thing;
    const [names, nameNote] = namesAfter(wanted.person, found);
    const [roles, roleNote] = this.#rolesAfter(wanted, found);
    const [classId, wantedClassId] = this.#classAfter(wanted, found);
    const admission = wanted.enrolment && { startedOn: wanted.enrolment.startedOn, orderNumber: wanted.enrolment.orderNumber };
    const state = (ofClass: string | null): PersonState => ({
      ...names,
      externalId: wanted.person === undefined ? (found?.externalId ?? null) : externalIdOf(wanted.person, found),
      roles,
      classId: ofClass,
      className: ofClass === null ? null : (this.#className.get(ofClass) ?? null),
      ...(ofClass !== null && ofClass !== found?.enrolment?.classId && { admission }),
      ...(found === undefined && { namesakes: this.#namesakes.get(nameKey(names)) ?? 0 }),
    });
    const about = { ...thing, noun: 'PERSON' as const };
    const after = state(classId);
    const code = nameNote ?? roleNote;
    const row = changeRow({ ...about, note: code === null ? null : note(code) }, after);
    const withheld = classId !== wantedClassId;
    if (!withheld) this.#rows.push(row);
    // If the withheld class is the only change, the row proposes it: a person may include the row with `editPlanRow`.
    else if (before !== null && isSameState(before, after))
      this.#rows.push(protectedRow(changeRow(about, state(wantedClassId)), note('SET_BY_HAND')));
    else this.#rows.push({ ...row, note: note('SET_BY_HAND') });
    const name = [names.surname, names.givenName, names.patronymic].filter(Boolean).join(' ');
    return { id: thing.thingId, name, isTeacher: roles.includes('TEACHER') };
  }

  #withheldNote(roles: readonly Role[]): NoteCode | null {
    const [code = null] = roles.flatMap((role) => this.#withheld.get(role) ?? []);
    return code;
  }

  /**
   * Returns the roles after the import, and the code of the note about a role that is withheld. Neither grants nor ends a
   * role in `#withheld`. Ends any other role only if an import granted it, the file states roles of the person, and the file
   * should list the people with this role.
   */
  #rolesAfter({ roles, person }: Wanted, found: Found): [Role[], NoteCode | null] {
    const grants = found?.grants ?? [];
    const isStated = person !== undefined && person.roles.length > 0;
    const ending = grants.filter((grant) => !roles.has(grant.role) && isStated && this.#coversRole(grant.role) && !isByHand(grant));
    const spared = ending.filter(({ role }) => this.#withheld.has(role));
    const kept = grants.filter((grant) => !ending.includes(grant) || spared.includes(grant));
    const added = [...roles].filter((role) => !this.#withheld.has(role));
    const after = [...new Set([...kept.map(({ role }) => role), ...added])].sort();
    const withheld = [...roles].filter((role) => !after.includes(role));
    return [after, this.#withheldNote([...withheld, ...spared.map(({ role }) => role)])];
  }

  /**
   * Returns the class after the import, and the class that the file asks for. The two differ if the present enrolment was
   * made by hand and not by a plan: the pupil then stays in the present class.
   */
  #classAfter(wanted: Wanted, found: Found): [after: string | null, wanted: string | null] {
    const present = found?.enrolment?.schoolId === this.#present.school.id ? found.enrolment : null;
    const next = wanted.enrolment === undefined ? null : this.#classes.get(wanted.enrolment.class)!.id;
    if (present === null || next === present.classId) return [next, next];
    const isOfYear = this.#present.classes.some(({ id }) => id === present.classId);
    if (next === null) {
      // The file says nothing about classes of another year.
      if (!isOfYear) return [present.classId, present.classId];
      const hasLeft = wanted.left !== undefined && this.#classes.get(wanted.left.class)?.id === present.classId;
      const isMissing = this.#roster.covers.enrolments && wanted.person !== undefined;
      if (!hasLeft && !isMissing) return [present.classId, present.classId];
    }
    // A pupil in a class of another school year moves to the new class, even if the present enrolment was made by hand.
    return present.planId === null && isOfYear ? [present.classId, next] : [next, next];
  }

  #end(person: PresentPerson, at: PlannedPlace): void {
    const before = this.#stateOf(person);
    const thing = { noun: 'PERSON', thingId: person.id, at, before } as const;
    const remaining = person.grants.filter(({ role }) => this.#withheld.has(role)).map(({ role }) => role);
    const code = this.#withheldNote(remaining);
    const after: PersonState = { ...before, roles: remaining, classId: null, className: null };
    if (code !== null && remaining.length === person.grants.length)
      return void this.#rows.push(protectedRow({ ...endRow(thing, after), proposed: 'KEEP' }, note(code)));
    const row = endRow({ ...thing, note: code === null ? null : note(code) }, after);
    const isProtected = person.grants.some((grant) => isByHand(grant) && !this.#withheld.has(grant.role));
    if (!isProtected) this.#endedIds.add(person.id);
    this.#rows.push(isProtected ? protectedRow(row, note('SET_BY_HAND')) : row);
  }

  #coversRole(role: Role): boolean {
    const { covers } = this.#roster;
    return role === 'STUDENT' ? covers.students : covers.staff && role !== 'PLATFORM_ADMINISTRATOR';
  }

  /**
   * Returns whether the file should list a person. If the file does not list such a person, the person has left the school. A
   * file in the LIST format should list only the pupils of the classes that it names.
   */
  #covers({ grants, enrolment }: PresentPerson): boolean {
    const { format, classes } = this.#roster;
    if (!grants.some(({ role }) => this.#coversRole(role))) return false;
    if (format !== 'LIST') return true;
    return enrolment !== null && classes.some(({ key }) => this.#classes.get(key)?.id === enrolment.classId);
  }

  #stateOf(person: PresentPerson): PersonState {
    return stateOfPerson(person, this.#present.school.id, (classId) => this.#className.get(classId) ?? null);
  }
}

type PlannedPlace = { file: string; line: number } | null;

const isByHand = ({ planId }: PresentGrant): boolean => planId === null;

const nameOf = ({ surname, givenName, patronymic }: Pick<PersonState, 'surname' | 'givenName' | 'patronymic'>): string =>
  [surname, givenName, patronymic].filter(Boolean).join(' ');

export function stateOfPerson(person: PresentPerson, schoolId: string, classNameOf: (id: string) => string | null): PersonState {
  const { surname, givenName, patronymic, birthDate, email, externalId, grants } = person;
  const classId = person.enrolment?.schoolId === schoolId ? person.enrolment.classId : null;
  const roles = grants.map(({ role }) => role).sort();
  const className = classId === null ? null : classNameOf(classId);
  return { surname, givenName, patronymic, birthDate, email, externalId, roles, classId, className };
}
