import type { Actor } from '../policy/actor.ts';
import { can, where } from '../policy/can.ts';
import { permissions, type Action, type Facts, type Noun } from '../policy/permissions.ts';
import type { Filter } from '../policy/scopes.ts';
import type { Resources, ResourceType } from './entities.ts';
import { loadFactsOfUser, type FactsContext } from './user-facts.ts';

/**
 * What the platform must know about each type that has a global id. Loading by id, the filters of lists, `viewerCan`, the
 * payload ids of events, shared execution and the generic tests derive from this page.
 */

type FieldDependencies = Readonly<Record<string, readonly string[]>>;

export interface Resource<T extends ResourceType> {
  /** The action that allows reading a row. */
  read: Action;
  /** The relation to the row whose right `read` asks for, where that is not the row itself. */
  via?: string;
  /** The facts that the policy decides by, from a row alone: for each noun whose actions may be asked on this type. */
  facts: { [N in Noun]?: (row: Resources[T]) => Facts[N] };
  /** The facts that take statements of their own. Null hides the row. */
  loadFacts?: { [N in Noun]?: (row: Resources[T], ctx: FactsContext) => Promise<Facts[N] | null> };
  /**
   * Whether one statement reads the rows for all requests of a turn of the event loop, whoever their actors are. `facts`
   * then decide who gets a row. Only for types whose rows are few and small.
   */
  isBatched?: true;
  /** The ids in the payloads of events that name a row of this type. */
  payloadIds: readonly string[];
  /**
   * For types that come by the hundred: the columns of each field that is not the column of its own name. Queries then read
   * only the columns of the fields that they select. test/domain/selected-columns.test.ts checks that no field is missing.
   */
  fieldDependencies?: FieldDependencies;
}

/** Fields that are read by the row's id alone. */
const byId = (...fields: readonly string[]): FieldDependencies => Object.fromEntries(fields.map((field) => [field, ['id']]));

const nameColumns = ['surname', 'givenName', 'patronymic'];

export const resources: { readonly [T in ResourceType]: Resource<T> } = {
  School: {
    read: 'school.read',
    isBatched: true,
    payloadIds: ['schoolId'],
    facts: {
      school: ({ id }) => ({ schoolId: id }),
      event: ({ id }) => ({ schoolId: id }),
      // A chat that is about to be made in the school, of any kind.
      chat: ({ id }) => ({ schoolId: id, classId: null, subjectId: null }),
    },
  },
  SchoolYear: { read: 'school.read', via: 'school', isBatched: true, payloadIds: [], facts: { school: ({ schoolId }) => ({ schoolId }) } },
  Class: {
    read: 'class.read',
    isBatched: true,
    payloadIds: ['classId', 'fromClassId'],
    facts: {
      class: ({ id, schoolId }) => ({ schoolId, classId: id }),
      // A chat that is about to be made in the class, of any kind.
      chat: ({ id, schoolId }) => ({ schoolId, classId: id, subjectId: null }),
    },
  },
  Subject: { read: 'subject.read', isBatched: true, payloadIds: ['subjectId'], facts: { subject: ({ schoolId }) => ({ schoolId }) } },
  User: {
    read: 'user.read',
    payloadIds: ['userId', 'studentId'],
    facts: {},
    loadFacts: { user: ({ id }, ctx) => loadFactsOfUser(ctx, id) },
    fieldDependencies: {
      fullName: nameColumns,
      shortName: nameColumns,
      ...byId('contact', 'assignments', 'enrolment', 'enrolments', 'heldInvitations', 'roles', 'sessions'),
    },
  },
  RoleGrant: {
    read: 'role.read',
    payloadIds: ['grantId'],
    facts: { role: ({ schoolId, userId }) => ({ schoolId, userId }), school: ({ schoolId }) => ({ schoolId }) },
  },
  Assignment: {
    read: 'class.read',
    via: 'class',
    payloadIds: ['assignmentId'],
    facts: { class: ({ schoolId, classId }) => ({ schoolId, classId }) },
  },
  Enrolment: {
    read: 'enrolment.read',
    payloadIds: ['enrolmentId', 'fromEnrolmentId'],
    facts: {
      enrolment: ({ schoolId, classId, studentId, endedAt }) => ({ schoolId, classId, userId: studentId, current: endedAt === null }),
      class: ({ schoolId, classId }) => ({ schoolId, classId }),
    },
    fieldDependencies: { student: ['studentId'], class: ['classId'] },
  },
  Invitation: {
    read: 'invitation.read',
    payloadIds: ['invitationId'],
    facts: { invitation: ({ schoolId, classId, holderId }) => ({ schoolId, classId, holderId }) },
  },
  Chat: {
    read: 'chat.read',
    payloadIds: ['chatId'],
    facts: { chat: ({ id, schoolId, kind, classId, subjectId }) => ({ schoolId, chatId: id, kind, classId, subjectId }) },
  },
  ChatMember: {
    read: 'chat.read',
    via: 'chat',
    payloadIds: [],
    facts: {},
    loadFacts: {
      async chat({ chatId }, ctx) {
        const chat = await ctx.loaders.byId('Chat', chatId);
        return chat && factsOf('Chat', 'chat', chat);
      },
    },
    fieldDependencies: { chat: ['chatId'], user: ['userId'], addedBy: ['addedById'] },
  },
  Session: { read: 'session.read', payloadIds: ['sessionId'], facts: { session: ({ userId }) => ({ userId }) } },
};

export const resourceTypes = Object.keys(resources) as ResourceType[];

export const isResourceType = (name: string): name is ResourceType => Object.hasOwn(resources, name);

/** Returns the type of the row that an id of an event's payload names; undefined for other entries. */
export const typeOfPayloadId = (name: string): ResourceType | undefined => typesOfPayloadIds.get(name);

const typesOfPayloadIds = new Map(resourceTypes.flatMap((type) => resources[type].payloadIds.map((id) => [id, type] as const)));

/** Returns the facts of a row for the actions on a noun. @throws for a type whose facts take statements. */
export function factsOf<T extends ResourceType, N extends Noun>(type: T, noun: N, row: Resources[T]): Facts[N] {
  const facts = resources[type].facts[noun];
  if (facts === undefined) throw new Error(`${type} has no facts for ${noun}`);
  return facts(row);
}

/** Returns whether an action may be asked on rows of this type. */
export const isTargetOf = (action: Action, type: ResourceType): boolean => {
  const noun = permissions[action].on;
  return resources[type].facts[noun] !== undefined || resources[type].loadFacts?.[noun] !== undefined;
};

/** Returns the facts of a row that decide an action; null for a row that is hidden with another one. */
export async function loadFacts<T extends ResourceType>(
  ctx: FactsContext,
  action: Action,
  type: T,
  row: Resources[T],
): Promise<Facts[Noun] | null> {
  const noun = permissions[action].on;
  const load = resources[type].loadFacts?.[noun];
  return load === undefined ? factsOf(type, noun, row) : load(row, ctx);
}

/** Returns whether the actor may read a row of a batched type. */
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
