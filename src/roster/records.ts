import { isKey } from './csv-cells.ts';
import type { RosterPlace } from './roster.ts';
import type { RosterBuilder } from './roster-builder.ts';

/**
 * The records that OneRoster and School Data Sync have in common: organisations, users with roles, sections, and memberships
 * in sections.
 */

export interface OrgRecord {
  readonly id: string;
  readonly type: string;
  /** Another id of the organisation, such as the number of a school; may be empty. */
  readonly identifier: string;
  readonly parentId: string;
  readonly at: RosterPlace;
}

export interface RoleRecord {
  /** The role as the file writes it. */
  readonly role: string;
  /** Empty: the role counts in every organisation. */
  readonly orgIds: readonly string[];
  readonly isActive: boolean;
  readonly at: RosterPlace;
}

export interface UserRecord {
  readonly id: string;
  readonly surname: string;
  readonly givenName: string;
  readonly patronymic?: string | null;
  readonly email: string;
  readonly isActive: boolean;
  readonly at: RosterPlace;
  readonly roles: RoleRecord[];
  birthDate?: string;
  hasError: boolean;
}

export interface SectionRecord {
  readonly id: string;
  readonly title: string;
  readonly code: string;
  readonly grades: string;
  /** `unknown`: the format does not tell a class of the school from a group that learns a subject. */
  readonly kind: 'homeroom' | 'scheduled' | 'unknown';
  readonly orgId: string;
  /** The id and name of the course, which is the subject. */
  readonly courseId: string;
  readonly courseName: string;
  readonly isActive: boolean;
  readonly at: RosterPlace;
}

export interface MembershipRecord {
  readonly sectionId: string;
  readonly userId: string;
  /** The role as the file writes it. */
  readonly role: string;
  readonly isPrimary: boolean;
  readonly startedOn?: string;
  readonly orderNumber?: string;
  readonly isActive: boolean;
  readonly at: RosterPlace;
}

/** Which files are complete. An object that is missing from a complete file has ended. */
export interface RecordCoverage {
  readonly users: boolean;
  readonly sections: boolean;
  readonly memberships: boolean;
}

export class Records {
  readonly builder: RosterBuilder;
  readonly orgs = new Map<string, OrgRecord>();
  readonly users = new Map<string, UserRecord>();
  readonly sections = new Map<string, SectionRecord>();
  readonly memberships: MembershipRecord[] = [];
  /** The columns that refer to a section and to a user. */
  readonly columns: { readonly section: string; readonly user: string };
  /** The organisations that belong to the school; null if all belong to it. */
  schoolOrgs: ReadonlySet<string> | null = null;

  constructor(builder: RosterBuilder, columns: { readonly section: string; readonly user: string }) {
    this.builder = builder;
    this.columns = columns;
  }

  /** Adds a record to one of the maps. For an id that is empty or occurs twice, adds an error and returns false. */
  add<Added extends { readonly id: string; readonly at: RosterPlace }>(map: Map<string, Added>, column: string, added: Added): boolean {
    const { notices } = this.builder;
    const earlier = map.get(added.id);
    if (added.id === '') notices.error('ID_EMPTY', added.at, column);
    else if (earlier !== undefined) notices.error('ID_DUPLICATE', added.at, added.id, earlier.at.line);
    else map.set(added.id, added);
    return map.get(added.id) === added;
  }

  /** Adds a user. For a repeated id it sets `hasError` of the first user, since either row may be the right one. */
  addUser(column: string, user: UserRecord): void {
    if (this.#checkKey(user.id, column, user.at) && this.add(this.users, column, user)) return;
    const earlier = this.users.get(user.id);
    if (earlier === undefined) this.builder.lose('students', 'staff');
    else earlier.hasError = true;
  }

  /** Adds a section. After a repeated or empty id, classes, enrolments and assignments no longer count as complete. */
  addSection(columns: { readonly id: string; readonly course: string }, section: SectionRecord): void {
    const { id, courseId, at } = section;
    const isUsable = this.#checkKey(id, columns.id, at) && this.#checkKey(courseId, columns.course, at);
    if (!isUsable || !this.add(this.sections, columns.id, section)) this.builder.lose('classes', 'enrolments', 'assignments');
  }

  /** Returns whether an id can be stored; otherwise adds an error. */
  #checkKey(id: string, column: string, at: RosterPlace): boolean {
    if (!isKey(id)) this.builder.notices.error('TEXT_INVALID', at, column);
    return isKey(id);
  }

  isOfSchool(orgIds: readonly string[]): boolean {
    const { schoolOrgs } = this;
    return schoolOrgs === null || orgIds.length === 0 || orgIds.some((id) => schoolOrgs.has(id));
  }
}
