import type { ServiceActor, UserActor } from '../policy/actor.ts';
import { can, where } from '../policy/can.ts';
import { paginate } from '../db/pagination.ts';
import { invalid, unauthenticated } from '../errors.ts';
import { decodeCursor } from '../events/cursor.ts';
import { eventTypes, type EventType } from '../events/catalog.ts';
import { follow, type SubscriptionRequest, type Stream } from '../events/live/subscription.ts';
import { authorize, find, findClass } from './access.ts';
import type { Context } from './context.ts';
import type { Event, Page, PageArgs, School } from './entities.ts';

/** The log as the administration reads it, and what each role may follow live. */

/** The log of a school, the newest first. Regulation 2.2 c. */
export async function eventsOf(
  ctx: Context,
  school: School,
  args: PageArgs & { types?: readonly EventType[] | null },
): Promise<Page<Event>> {
  const order = paginate<Event>(args, { tag: 'event', keys: [{ field: 'seq', direction: 'desc', type: 'bigint' }] });
  const rows = await ctx.db.prisma.event.findMany({
    where: {
      AND: [
        { schoolId: school.id },
        args.types ? { type: { in: [...args.types] } } : {},
        where(ctx.actor, 'event.read'),
        order.where,
      ],
    },
    orderBy: order.orderBy,
    take: order.limit,
  });
  return order.toConnection(rows);
}

export interface FollowArgs {
  schoolId: string;
  after?: string | null;
}

const typesOf = (...nouns: readonly string[]): ReadonlySet<EventType> =>
  new Set(eventTypes.filter((type) => nouns.includes(type.split('.')[0]!)));

const enrolmentTypes = typesOf('student');
const chatTypes = typesOf('chat', 'chatMember');

/** Every enrolment, transfer and withdrawal of the school, or of one class, that the actor may see. */
export async function followEnrolments(ctx: Context, args: FollowArgs & { classId?: string | null }): Promise<Stream> {
  const { classId } = args;
  const isAllowed = (actor: UserActor | ServiceActor) =>
    classId
      ? can(actor, 'enrolment.read', { schoolId: args.schoolId, classId, userId: '', current: true })
      : can(actor, 'school.read', { schoolId: args.schoolId });
  if (classId) {
    const found = await findClass(ctx, classId, 'class.read');
    authorize(ctx, 'enrolment.read', { schoolId: found.schoolId, classId, userId: '', current: true });
  }
  const filter: SubscriptionRequest['filter'] = ({ payload }) =>
    !classId || payload.classId === classId || payload.fromClassId === classId;
  return start(ctx, args, { streamKey: `enrolments ${classId ?? ''}`, types: enrolmentTypes, isAllowed, filter });
}

/** Every change of the chats that the actor may see: made, renamed, archived, people coming and going. */
export function followChats(ctx: Context, args: FollowArgs): Promise<Stream> {
  const isAllowed = (actor: UserActor | ServiceActor) => can(actor, 'school.read', { schoolId: args.schoolId });
  return start(ctx, args, { streamKey: 'chats', types: chatTypes, isAllowed, filter: () => true });
}

/** The log itself, for the administration and for services. Regulation 2.2 c, 1.5. */
export function followEvents(ctx: Context, args: FollowArgs & { types?: readonly EventType[] | null }): Promise<Stream> {
  const isAllowed = (actor: UserActor | ServiceActor) => can(actor, 'event.read', { schoolId: args.schoolId });
  const types: ReadonlySet<EventType> = new Set(args.types ?? eventTypes);
  return start(ctx, args, { streamKey: `events ${[...types].sort().join(' ')}`, types, isAllowed, filter: () => true });
}

async function start(
  ctx: Context,
  args: FollowArgs,
  what: Pick<SubscriptionRequest, 'streamKey' | 'types' | 'isAllowed' | 'filter'>,
): Promise<Stream> {
  const { actor, credential } = ctx;
  if (credential === null || (actor.kind !== 'user' && actor.kind !== 'service')) throw unauthenticated();
  const school = await find(ctx, 'School', args.schoolId, 'schoolId');
  // A service needs the scope of the log for any stream; a person, the right that the stream stands on.
  if (actor.kind === 'service' || !what.isAllowed(actor)) authorize(ctx, 'event.read', { schoolId: school.id });
  const after = typeof args.after === 'string' ? decodeCursor(args.after) : null;
  if (after !== null) {
    const extent = await ctx.liveEvents.reader.bounds(school.id);
    if (after.schoolId !== school.id || after.seq > (extent?.head ?? 0n))
      throw invalid('after', ['Этот курсор не из журнала этой школы.', "This cursor is not of this school's log."]);
  }
  return follow(ctx.liveEvents, { schoolId: school.id, credential, after, ...what });
}
