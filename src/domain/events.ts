import type { ServiceActor, UserActor } from '../policy/actor.ts';
import { can, where } from '../policy/can.ts';
import { receivable } from '../policy/topics.ts';
import { paginate } from '../db/pagination.ts';
import { invalid, unauthenticated } from '../errors.ts';
import { decodeCursor } from '../events/cursor.ts';
import { eventTypes, type EventType } from '../events/catalog.ts';
import { follow, type SubscriptionRequest, type Stream } from '../events/live/subscription.ts';
import { authorize, find, findClass } from './access.ts';
import type { Context } from './context.ts';
import type { Event, Page, PageArgs, School } from './entities.ts';

/** Reads the log, and opens the streams of subscriptions. */

/** Returns the events of a school that the actor would receive by a subscription, newest first. Regulation 2.2 c. */
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
        receivable(ctx.actor, school.id),
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

/**
 * Opens a stream of the enrolments, transfers and withdrawals in a school or a class, as far as the actor may see them.
 */
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
  const filter: SubscriptionRequest['filter'] = ({ payload }) => !classId || payload.classId === classId || payload.fromClassId === classId;
  return openStream(ctx, args, { streamKey: `enrolments ${classId ?? ''}`, types: enrolmentTypes, isAllowed, filter });
}

/** Opens a stream of the changes of the chats and their members that the actor may see. */
export function followChats(ctx: Context, args: FollowArgs): Promise<Stream> {
  const isAllowed = (actor: UserActor | ServiceActor) => can(actor, 'school.read', { schoolId: args.schoolId });
  return openStream(ctx, args, { streamKey: 'chats', types: chatTypes, isAllowed, filter: () => true });
}

/** Opens a stream of the whole log, for the administration and for services. Regulation 2.2 c, 1.5. */
export function followEvents(ctx: Context, args: FollowArgs & { types?: readonly EventType[] | null }): Promise<Stream> {
  const isAllowed = (actor: UserActor | ServiceActor) => can(actor, 'event.read', { schoolId: args.schoolId });
  const types: ReadonlySet<EventType> = new Set(args.types ?? eventTypes);
  return openStream(ctx, args, { streamKey: `events ${[...types].sort().join(' ')}`, types, isAllowed, filter: () => true });
}

async function openStream(
  ctx: Context,
  args: FollowArgs,
  options: Pick<SubscriptionRequest, 'streamKey' | 'types' | 'isAllowed' | 'filter'>,
): Promise<Stream> {
  const { actor, credential } = ctx;
  if (credential === null || (actor.kind !== 'user' && actor.kind !== 'service')) throw unauthenticated();
  const school = await find(ctx, 'School', args.schoolId, 'schoolId');
  // A service needs the scope `events` for every stream, a person the right of this stream.
  if (actor.kind === 'service' || !options.isAllowed(actor)) authorize(ctx, 'event.read', { schoolId: school.id });
  const after = typeof args.after === 'string' ? decodeCursor(args.after) : null;
  if (after !== null) {
    const bounds = await ctx.liveEvents.reader.bounds(school.id);
    if (after.schoolId !== school.id || after.seq > (bounds?.head ?? 0n))
      throw invalid('after', [
        'Этот курсор не из журнала этой школы. Подпишитесь заново без after.',
        "This cursor is not of this school's log. Subscribe again without it.",
      ]);
  }
  return follow(ctx.liveEvents, { schoolId: school.id, credential, after, ...options });
}
