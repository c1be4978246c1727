import type { Actor } from '../policy/actor.ts';
import { can, where } from '../policy/can.ts';
import { permissions, type Action, type Facts, type Noun } from '../policy/permissions.ts';
import type { Filter } from '../policy/scopes.ts';
import type { Database } from '../db/client.ts';
import { byId, parentsOf, type FieldDependencies, type ModelName, type Parent, type Resource, type RowOf } from './resource.ts';

/**
 * What the platform must know about each type that has a global id. These parts use this table: loading by id, the filters of
 * lists, `viewerCan`, the fields of parents, the payload ids of events, the order of locks, the execution of one event for
 * many subscribers (src/http/live/shared-execution.ts) and the generic tests.
 */

const nameColumns = ['surname', 'givenName', 'patronymic'];

const table = {
  School: {
    read: 'school.read',
    isBatched: true,
    lockRank: 10,
    facts: {
      school: ({ id }) => ({ schoolId: id }),
      event: ({ id }) => ({ schoolId: id }),
      // The facts of a chat that does not exist yet. They decide whether the actor may create a chat of at least one kind in
      // the school.
      chat: ({ id }) => ({ schoolId: id, classId: null, subjectId: null }),
    },
  },
  SchoolYear: {
    read: 'school.read',
    via: 'school',
    isBatched: true,
    lockRank: 15,
    facts: { school: ({ schoolId }) => ({ schoolId }) },
    parents: { school: 'School' },
  },
  Term: {
    read: 'school.read',
    via: 'school',
    isBatched: true,
    facts: { school: ({ schoolId }) => ({ schoolId }) },
    parents: { school: 'School', year: { type: 'SchoolYear', column: 'schoolYearId' } },
  },
  Class: {
    read: 'class.read',
    isBatched: true,
    lockRank: 20,
    payloadIds: ['fromClassId'],
    facts: {
      class: ({ id, schoolId }) => ({ schoolId, classId: id }),
      // The facts of a chat that does not exist yet. They decide whether the actor may create a chat of at least one kind in
      // the class.
      chat: ({ id, schoolId }) => ({ schoolId, classId: id, subjectId: null }),
    },
    parents: { school: 'School', year: { type: 'SchoolYear', column: 'schoolYearId' } },
  },
  Subject: { read: 'subject.read', isBatched: true, facts: { subject: ({ schoolId }) => ({ schoolId }) }, parents: { school: 'School' } },
  User: {
    read: 'user.read',
    lockRank: 30,
    payloadIds: ['studentId'],
    facts: {},
    loadFacts: { user: ({ id }, db) => loadFactsOfUser(db, id) },
    fieldDependencies: {
      fullName: nameColumns,
      shortName: nameColumns,
      ...byId(
        'contact',
        'assignments',
        'enrolment',
        'enrolments',
        'externalIds',
        'heldInvitations',
        'personalInvitation',
        'roles',
        'sessions',
        'voidedEnrolments',
      ),
    },
  },
  RoleGrant: {
    read: 'role.read',
    payloadIds: ['grantId'],
    facts: { role: ({ schoolId, userId }) => ({ schoolId, userId }), school: ({ schoolId }) => ({ schoolId }) },
    parents: { school: 'School', user: 'User', grantedBy: 'User' },
  },
  Assignment: {
    read: 'class.read',
    via: 'class',
    facts: { class: ({ schoolId, classId }) => ({ schoolId, classId }) },
    parents: { teacher: { type: 'User', column: 'userId' }, class: 'Class', subject: 'Subject' },
  },
  Enrolment: {
    read: 'enrolment.read',
    payloadIds: ['fromEnrolmentId'],
    facts: {
      enrolment: ({ schoolId, classId, studentId, endedAt }) => ({ schoolId, classId, userId: studentId, current: endedAt === null }),
      class: ({ schoolId, classId }) => ({ schoolId, classId }),
    },
    parents: { student: { type: 'User', column: 'studentId', isJoined: true }, class: 'Class' },
    fieldDependencies: {},
  },
  Invitation: {
    read: 'invitation.read',
    lockRank: 40,
    facts: { invitation: ({ schoolId, classId, holderId, userId }) => ({ schoolId, classId, holderId, userId }) },
    parents: { school: 'School', class: 'Class', holder: 'User', createdBy: 'User' },
  },
  Chat: {
    read: 'chat.read',
    lockRank: 50,
    facts: { chat: ({ id, schoolId, kind, classId, subjectId }) => ({ schoolId, chatId: id, kind, classId, subjectId }) },
    parents: { school: 'School', class: 'Class', subject: 'Subject', createdBy: 'User' },
  },
  ChatMember: {
    read: 'chat.read',
    via: 'chat',
    facts: {},
    parents: { chat: 'Chat', user: { type: 'User', column: 'userId', isJoined: true }, addedBy: 'User' },
    fieldDependencies: {},
  },
  Plan: {
    read: 'plan.read',
    lockRank: 17,
    facts: { plan: ({ schoolId, clientId }) => ({ schoolId, clientId }) },
    parents: { school: 'School', year: { type: 'SchoolYear', column: 'schoolYearId' }, createdBy: 'User' },
  },
  PlanRow: { read: 'plan.read', via: 'plan', facts: {}, parents: { plan: 'Plan' } },
  Upload: {
    read: 'upload.read',
    facts: { upload: ({ schoolId, clientId, createdById }) => ({ schoolId, clientId, createdById }) },
    parents: { school: 'School' },
  },
  Session: { read: 'session.read', facts: { session: ({ userId }) => ({ userId }) } },
} satisfies { readonly [M in ModelName]?: Resource<M> };

type Table = typeof table;

export type ResourceType = keyof Table;

type ParentsOf<T extends ResourceType> = Table[T] extends { parents: infer Parents } ? Parents : unknown;

/** The names of the GraphQL fields of `T` that return a parent, such as `school`. */
export type ParentField<T extends ResourceType> = keyof ParentsOf<T> & string;

type JoinedParent<Parents> = { [F in keyof Parents]: Parents[F] extends { type: infer P; isJoined: true } ? P : never }[keyof Parents];

/** The parent, if one statement read it together with the row; null if the actor may not see the parent. */
type WithJoined<T extends ResourceType> =
  JoinedParent<ParentsOf<T>> extends infer P extends ResourceType
    ? [P] extends [never]
      ? unknown
      : { joined?: RowOf<P> | null }
    : unknown;

/** The rows that have a global id, by their type's name in the schema. */
export type Resources = { [T in ResourceType]: RowOf<T> & WithJoined<T> };

/** The nouns whose facts come from a row of the type alone, without a further SQL statement. */
export type FactNoun<T extends ResourceType> = keyof Table[T]['facts'];

/** The types whose rows may be locked. */
export type LockableType = { [T in ResourceType]: Table[T] extends { lockRank: number } ? T : never }[ResourceType];

type ResolvedResource<T extends ResourceType> = Omit<Resource<T>, 'parents' | 'payloadIds'> & {
  parents: Readonly<Record<string, Parent>>;
  payloadIds: readonly string[];
};

/** Returns the resource with the columns of its parents. Adds these columns to its `fieldDependencies`, if it has any. */
function resolve<T extends ResourceType>(resource: Resource<T>): ResolvedResource<T> {
  const parents = parentsOf(resource);
  const columns: FieldDependencies = Object.fromEntries(Object.entries(parents).map(([field, { column }]) => [field, [column]]));
  const { payloadIds = [], fieldDependencies: own, ...rest } = resource;
  return { ...rest, payloadIds, parents, ...(own && { fieldDependencies: { ...columns, ...own } }) };
}

export const resourceTypes = Object.keys(table) as ResourceType[];

export const resources = Object.fromEntries(
  resourceTypes.map((type) => [type, resolve(table[type] as Resource<ResourceType>)]),
) as unknown as { readonly [T in ResourceType]: ResolvedResource<T> };

export const isResourceType = (name: string): name is ResourceType => Object.hasOwn(resources, name);

/**
 * Returns the type of the row to which an id in the payload of an event refers, by the name of the id; undefined for an
 * unknown name.
 */
export const typeOfPayloadId = (name: string): ResourceType | undefined => typesOfPayloadIds.get(name);

/**
 * Returns the names of the ids, in the payloads of events, that refer to a row of a type: `classId` and `fromClassId` for
 * Class.
 */
export const payloadIdsOf = (type: ResourceType): readonly string[] => [
  `${type[0]!.toLowerCase()}${type.slice(1)}Id`,
  ...resources[type].payloadIds,
];

const typesOfPayloadIds = new Map(resourceTypes.flatMap((type) => payloadIdsOf(type).map((id) => [id, type] as const)));

/** Returns the facts of a row for the actions on a noun. @throws Error if the type has no `facts` for the noun. */
export function factsOf<T extends ResourceType, N extends Noun>(type: T, noun: N, row: Resources[T]): Facts[N] {
  const facts = resources[type].facts[noun];
  if (facts === undefined) throw new Error(`${type} has no facts for ${noun}`);
  return facts(row as RowOf<T>);
}

const hasOwnFacts = (type: ResourceType, noun: Noun): boolean =>
  resources[type].facts[noun] !== undefined || resources[type].loadFacts?.[noun] !== undefined;

/** Returns the parent whose facts decide who may read a row of this type; undefined if the row has facts of its own. */
function deciding(type: ResourceType, noun: Noun): (Parent & { type: ResourceType }) | undefined {
  const { read, via, parents } = resources[type];
  return hasOwnFacts(type, noun) || via === undefined || permissions[read].on !== noun
    ? undefined
    : (parents[via] as Parent & { type: ResourceType });
}

/** Returns whether an action applies to rows of this type. */
export const isTargetOf = (action: Action, type: ResourceType): boolean => {
  const noun = permissions[action].on;
  return hasOwnFacts(type, noun) || deciding(type, noun) !== undefined;
};

/** The part of the context that `loadFacts` needs. */
export interface FactsContext {
  db: Pick<Database, 'reads'>;
  loaders: { byId<T extends ResourceType>(type: T, id: string): Promise<Resources[T] | null> };
}

/**
 * Returns the facts of a row that decide an action; null if a parent has the facts and the actor may not read this parent.
 */
export async function loadFacts<T extends ResourceType>(
  ctx: FactsContext,
  action: Action,
  type: T,
  row: Resources[T],
): Promise<Facts[Noun] | null> {
  const noun = permissions[action].on;
  const parent = deciding(type, noun);
  if (parent !== undefined) {
    const parentRow = await ctx.loaders.byId(parent.type, (row as unknown as Record<string, string>)[parent.column]!);
    return parentRow && loadFacts(ctx, action, parent.type, parentRow);
  }
  const load = resources[type].loadFacts?.[noun];
  return load === undefined ? factsOf(type, noun, row) : load(row as RowOf<T>, ctx.db);
}

/** Loads the facts that decide about a person, by one statement. */
export async function loadFactsOfUser(db: Pick<Database, 'reads'>, userId: string): Promise<Facts['user']> {
  const { rows } = await db.reads.query<Pick<Facts['user'], 'places' | 'chats'>>({
    name: 'facts of a user',
    text: `
      select
        (select coalesce(json_agg(json_build_object('schoolId', school_id, 'staff', staff, 'classId', class_id, 'current', ended_at is null)), '[]') from (
          select school_id, role <> 'STUDENT' as staff, null::uuid as class_id, ended_at from role_grant where user_id = $1
          union all select school_id, false, class_id, ended_at from enrolment where student_id = $1
          union all select school_id, false, class_id, ended_at from assignment where user_id = $1) place) as places,
        (select coalesce(json_agg(json_build_object('schoolId', school_id, 'chatId', chat_id)), '[]') from chat_member where user_id = $1) as chats`,
    values: [userId],
  });
  return { userId, ...rows[0]! };
}

/** Returns whether the actor may read a row. The facts must come from the row alone, as for every type with `isBatched`. */
export function isReadable<T extends ResourceType>(actor: Actor, type: T, row: Resources[T]): boolean {
  const { read } = resources[type];
  return can(actor, read, factsOf(type, permissions[read].on, row));
}

/** Returns the filter of the rows of this type that the actor may read. */
export function readable(actor: Actor, type: ResourceType): Filter {
  const { read, via } = resources[type];
  const filter = where(actor, read);
  return via === undefined ? filter : { [via]: filter };
}
