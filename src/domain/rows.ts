import type {
  Assignment, Chat, ChatMember, Class, Enrolment, Event, Invitation, RoleGrant, School, SchoolYear, Session, Subject, User,
} from '../db/generated/client.ts';

/** The rows that operations return and the schema exposes. */
export type {
  Assignment, Chat, ChatMember, Class, Enrolment, Event, Invitation, RoleGrant, School, SchoolYear, Session, Subject, User,
};

/** The things that have a global id, by their type's name in the schema. */
export interface Things {
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

export type ThingName = keyof Things;

/** One page of a list, in the Relay specification's shape. */
export interface Page<Row> {
  edges: { cursor: string; node: Row }[];
  pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string | null; endCursor: string | null };
}

export type { PageArgs } from '../db/page.ts';
