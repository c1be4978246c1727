import type { Actor } from '../policy/actor.ts';
import { can, clauseOf } from '../policy/can.ts';
import type { Facts, Noun } from '../policy/scopes.ts';
import { actions, permissions, type Action } from '../policy/permissions.ts';
import type { RefusalCode } from '../errors.ts';
import { factsOfChat, factsOfClass, factsOfEnrolment, factsOfInvitation, factsOfSchool, factsOfUser } from './access.ts';
import { columnsOf } from './selected-columns.ts';
import { actingUserId, type Context } from './context.ts';
import { ownRow, readActionOf } from './loaders.ts';
import type { ResourceType, Resources, User } from './entities.ts';

/** Who is asking, and what they may do. */

export { actions, clauseOf, type Action };

/** The person who asks; null for a service and for nobody. One's own row is read without a role too. */
export async function viewer(ctx: Context): Promise<User | null> {
  const id = actingUserId(ctx);
  return id === null ? null : (ctx.loaders.ownRow ?? ownRow(ctx.db, id, columnsOf(ctx.loaders.selection, 'User')));
}

export interface Permission {
  allowed: boolean;
  /** The clause of the regulation that decides the action. */
  clause: string;
  /** Why not; null when allowed. */
  code: RefusalCode | null;
}

/**
 * May the actor do this to that, by the policy table? A thing that may not be seen does not exist (NOT_FOUND); one that
 * the action is never done to is INVALID. Rules that are not rights may still refuse with CONFLICT when it is done.
 */
export async function viewerCan(ctx: Context, action: Action, on: { thing: string; id: string } | null): Promise<Permission> {
  const answer = (code: RefusalCode | null): Permission => ({ allowed: code === null, clause: clauseOf(action), code });
  if (ctx.actor.kind === 'anonymous') return answer('UNAUTHENTICATED');
  if (on === null) return answer('NOT_FOUND');
  const ofNoun = actionTargets[permissions[action].on];
  if (!Object.hasOwn(ofNoun, on.thing)) return answer('INVALID');
  const thing = on.thing as ResourceType;
  const row = await ctx.loaders.byId(thing, on.id);
  const facts = row && (await (ofNoun[thing] as ActionTargets)(row, ctx));
  if (facts === null) return answer('NOT_FOUND');
  return answer(can(ctx.actor, action, facts as never) ? null : 'FORBIDDEN');
}

/** A thing, and who may see it. */
export interface Visibility {
  resourceType: ResourceType;
  row: Resources[ResourceType] | null;
  isVisibleTo(actor: Actor): boolean;
}

/**
 * Who may read a thing: the answer for any actor, from a row and facts that are read once.
 * @param ctx of one who may read everything.
 */
export async function visibilityOf(ctx: Context, thing: ResourceType, id: string): Promise<Visibility> {
  const action = readActionOf(thing);
  const row = await ctx.loaders.byId(thing, id);
  const facts = row && (await (actionTargets[permissions[action].on][thing] as ActionTargets)(row, ctx));
  return { resourceType: thing, row, isVisibleTo: (actor) => facts !== null && can(actor, action, facts as never) };
}

type ActionTargets = (row: Resources[ResourceType], ctx: Context) => unknown;

/** Which things a noun's right may be asked on, and what they tell to decide by. */
const actionTargets: {
  [N in Noun]: { [T in ResourceType]?: (row: Resources[T], ctx: Context) => Facts[N] | null | Promise<Facts[N] | null> };
} = {
  school: { School: factsOfSchool, SchoolYear: ({ schoolId }) => ({ schoolId }), RoleGrant: ({ schoolId }) => ({ schoolId }) },
  class: {
    Class: factsOfClass,
    Assignment: ({ schoolId, classId }) => ({ schoolId, classId }),
    Enrolment: ({ schoolId, classId }) => ({ schoolId, classId }),
  },
  subject: { Subject: ({ schoolId }) => ({ schoolId }) },
  user: { User: ({ id }, ctx) => factsOfUser(ctx, id) },
  role: { RoleGrant: ({ schoolId, userId }) => ({ schoolId, userId }) },
  enrolment: { Enrolment: factsOfEnrolment },
  invitation: { Invitation: factsOfInvitation },
  chat: {
    Chat: factsOfChat,
    // A chat about to be made, of any kind, in the school or in the class.
    School: ({ id }) => ({ schoolId: id, classId: null, subjectId: null }),
    Class: ({ id, schoolId }) => ({ schoolId, classId: id, subjectId: null }),
    ChatMember: async ({ chatId }, ctx) => {
      const chat = await ctx.loaders.byId('Chat', chatId);
      return chat && factsOfChat(chat);
    },
  },
  session: { Session: ({ userId }) => ({ userId }) },
  event: { School: ({ id }) => ({ schoolId: id }) },
};
