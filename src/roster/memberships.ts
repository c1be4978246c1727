import { formatClassName } from './class-names.ts';
import type { MembershipRecord, RecordCoverage, Records } from './records.ts';
import { parseRole } from './people.ts';
import { keyOfId, type RosterPlace, type RosterRole, rosterRoles } from './roster.ts';
import type { RosterBuilder } from './roster-builder.ts';
import { addTo } from './map-of-lists.ts';
import type { SectionInterpreter } from './sections.ts';

/** Turns memberships of sections into enrolments and assignments, and sets the roles of people. */
export class MembershipAssembler {
  readonly #records: Records;
  readonly #builder: RosterBuilder;
  readonly #sections: SectionInterpreter;
  readonly #leftOut: ReadonlySet<string>;
  readonly #complete: RecordCoverage;
  /** The memberships of teachers in each class, by the key of the class. */
  readonly #classTeachers = new Map<string, MembershipRecord[]>();
  /** Roles that follow from active memberships, by the key of the person, each with the first row that states it. */
  readonly #roles = new Map<string, Map<RosterRole, RosterPlace>>();
  #uncertain: { at: RosterPlace; count: number } | null = null;

  constructor(records: Records, sections: SectionInterpreter, leftOut: ReadonlySet<string>, complete: RecordCoverage) {
    this.#records = records;
    this.#builder = records.builder;
    this.#sections = sections;
    this.#leftOut = leftOut;
    this.#complete = complete;
  }

  assemble(): void {
    for (const membership of this.#records.memberships) {
      const isElsewhere = this.#leftOut.has(membership.userId) || this.#sections.leftOut.has(membership.sectionId);
      if (!isElsewhere && this.#hasPerson(membership)) this.#add(membership);
    }
    for (const [classKey, teachers] of this.#classTeachers) this.#addClassTeacher(classKey, teachers);
    if (this.#uncertain !== null) this.#builder.notices.warn('MEMBERS_LEFT_OUT', this.#uncertain.at, this.#uncertain.count);
    this.#settleRoles();
  }

  #hasPerson({ userId, at }: MembershipRecord): boolean {
    if (this.#builder.people.has(keyOfId(userId)) || !this.#complete.users) return true;
    this.#builder.notices.error('REFERENCE_MISSING', at, this.#records.columns.user, userId);
    return false;
  }

  #add(membership: MembershipRecord): void {
    const role = parseRole(membership.role);
    if (role === 'STUDENT' || role === 'TEACHER') this.#addAs(role, membership);
  }

  #addAs(role: 'STUDENT' | 'TEACHER', membership: MembershipRecord): void {
    const { at, sectionId, userId } = membership;
    const person = keyOfId(userId);
    const meaning = this.#sections.meanings.get(sectionId);
    if (membership.isActive) this.#noteRole(person, role, at);
    if (meaning === undefined) this.#addToUnknownSection(role, membership);
    else if (meaning.kind === 'invalid') this.#builder.markPerson(person);
    else if (meaning.kind === 'not understood')
      this.#uncertain = { at: this.#uncertain?.at ?? at, count: (this.#uncertain?.count ?? 0) + 1 };
    else if (role === 'STUDENT') {
      if (meaning.kind === 'class' || meaning.isClassDerived) this.#enrol(membership, meaning.classKey);
    } else if (meaning.kind === 'class') {
      addTo(this.#classTeachers, meaning.classKey, membership);
    } else {
      const { classKey, subjectKey } = meaning;
      const isActive = membership.isActive && this.#isActiveSection(sectionId);
      this.#builder.assignments.push({ person, class: classKey, kind: 'SUBJECT_TEACHER', subject: subjectKey, isActive, at });
    }
  }

  #isActiveSection(sectionId: string): boolean {
    return this.#records.sections.get(sectionId)?.isActive ?? true;
  }

  #addToUnknownSection(role: 'STUDENT' | 'TEACHER', membership: MembershipRecord): void {
    const { at, sectionId, userId } = membership;
    if (this.#complete.sections) {
      this.#builder.notices.error('REFERENCE_MISSING', at, this.#records.columns.section, sectionId);
      this.#builder.markPerson(keyOfId(userId));
    } else if (role === 'STUDENT') this.#enrol(membership, keyOfId(sectionId));
    else this.#builder.notices.warn('OUTSIDE_FILE', at, sectionId);
  }

  #enrol({ userId, sectionId, startedOn, orderNumber, isActive, at }: MembershipRecord, classKey: string): void {
    this.#builder.addEnrolment({
      person: keyOfId(userId),
      class: classKey,
      ...(startedOn === undefined ? {} : { startedOn }),
      ...(orderNumber === undefined ? {} : { orderNumber }),
      isActive: isActive && this.#isActiveSection(sectionId),
      at,
    });
  }

  /** Adds the class teacher: the teacher who is marked as primary, otherwise the first teacher. */
  #addClassTeacher(classKey: string, teachers: readonly MembershipRecord[]): void {
    const active = teachers.filter(({ isActive, sectionId }) => isActive && this.#isActiveSection(sectionId));
    const primary = active.filter(({ isPrimary }) => isPrimary);
    const chosen = primary[0] ?? active[0];
    const rivals = new Set((primary.length > 0 ? primary : active).map(({ userId }) => userId));
    const named = this.#builder.classes.get(classKey);
    if (rivals.size > 1 && named !== undefined) this.#builder.notices.warn('SEVERAL_CLASS_TEACHERS', named.at, formatClassName(named));
    for (const teacher of teachers) {
      const isActive = teacher === chosen;
      if (isActive || !active.includes(teacher))
        this.#builder.assignments.push({
          person: keyOfId(teacher.userId),
          class: classKey,
          kind: 'CLASS_TEACHER',
          isActive,
          at: teacher.at,
        });
    }
  }

  #noteRole(person: string, role: RosterRole, at: RosterPlace): void {
    const roles = this.#roles.get(person) ?? new Map<RosterRole, RosterPlace>();
    if (!roles.has(role)) roles.set(role, at);
    this.#roles.set(person, roles);
  }

  /**
   * Corrects the roles of people. If a person's memberships need a role that the file does not state for the person, the
   * memberships alone decide whether the person is STUDENT and TEACHER. Other roles stay as the file states them.
   */
  #settleRoles(): void {
    const { notices } = this.#builder;
    for (const person of this.#builder.people.values()) {
      const byMembership = this.#roles.get(person.key) ?? new Map<RosterRole, RosterPlace>();
      const differing = [...byMembership].find(([role]) => !person.roles.includes(role));
      if (differing === undefined) {
        if (person.roles.length === 0 && this.#complete.users) notices.warn('ROLE_MISSING', person.at, person.externalId ?? '');
        continue;
      }
      if (person.roles.length > 0) notices.warn('ROLE_DIFFERS', differing[1], person.externalId ?? '', differing[0]);
      const isKept = (role: RosterRole) =>
        (role !== 'STUDENT' && role !== 'TEACHER' && person.roles.includes(role)) || byMembership.has(role);
      person.roles = rosterRoles.filter(isKept);
    }
  }
}
