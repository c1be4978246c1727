import type * as rows from '../db/generated/client.ts';
import type {
  Assignment,
  Chat,
  Class,
  Event,
  Invitation,
  RoleGrant,
  School,
  SchoolYear,
  Session,
  Subject,
  User,
} from '../db/generated/client.ts';

/** The rows that operations return and the schema exposes. */
export type { Assignment, Chat, Class, Event, Invitation, RoleGrant, School, SchoolYear, Session, Subject, User };

/** The person of a row, if they were read together: null if the actor may not see the person. */
interface WithPerson {
  joined?: User | null;
}

export type Enrolment = rows.Enrolment & WithPerson;
export type ChatMember = rows.ChatMember & WithPerson;

/** The rows that have a global id, by their type's name in the schema. */
export interface Resources {
  School: School;
  SchoolYear: SchoolYear;
  Class: Class;
  Subject: Subject;
  User: User;
  RoleGrant: RoleGrant;
  Assignment: Assignment;
  Enrolment: Enrolment;
  Invitation: Invitation;
  Chat: Chat;
  ChatMember: ChatMember;
  Session: Session;
}

export type ResourceType = keyof Resources;

/** One page of a list, in the Relay specification's shape. */
export interface Page<Row> {
  edges: Iterable<{ cursor: string; node: Row }>;
  pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string | null; endCursor: string | null };
}

export type { PageArgs } from '../db/pagination.ts';

/** Returns whether the row holds these values already. Compares with `===`, so not for dates. */
export const changesNothing = <Row extends object>(row: Row, data: Partial<Row>): boolean =>
  Object.entries(data).every(([column, value]) => row[column as keyof Row] === value);
