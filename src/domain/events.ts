import type { ServiceActor, UserActor } from '../policy/actor.ts';
import { can, where } from '../policy/can.ts';
import { invalid, unauthenticated } from '../errors.ts';
import { decodeCursor, type Cursor } from '../events/cursor.ts';
import { eventTypes, type EventType } from '../events/catalog.ts';
import { follow, type Stream } from '../events/live/subscription.ts';
import { authorize, find } from './access.ts';
import { paginate } from './connection.ts';
import type { Context } from './context.ts';
import type { Event, PageArgs, School, UncountedPage } from './entities.ts';
import { payloadIdsOf, type ResourceType } from './resources.ts';

/** Reads the log, and opens the streams of subscriptions. */

/** Returns the events that the administration of a school receives, newest first. Regulation 2.2 c. */
export async function eventsOf(
  ctx: Context,
  school: School,
  args: PageArgs & { types?: readonly EventType[] | null },
): Promise<UncountedPage<Event>> {
  const order = paginate<Event>(args, { tag: 'event', keys: [{ field: 'seq', direction: 'desc', type: 'bigint' }] });
  const rows = await ctx.db.prisma.event.findMany({
    where: {
      AND: [
        { schoolId: school.id },
        args.types ? { type: { in: [...args.types] } } : {},
        where(ctx.actor, 'event.read'),
        // Leaves out events that only one person may see, such as sign-ins: they lack the topic of the school.
        { topics: { has: `school:${school.id}` } },
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

interface StreamOptions {
  /**
   * Two streams with the same `name` and `rows` must deliver the same events to actors with equal rights: the server may
   * execute an event once for both.
   */
  name: string;
  events: readonly EventType[];
  /**
   * The stream delivers only events whose payload has the ids of all these rows. NOT_FOUND at `path` for a row that the
   * actor may not read.
   */
  rows?: readonly { type: ResourceType; id: string; path: string }[];
  /** Returns whether the actor may have this stream at all. Default: everyone who may read the school. */
  isAllowed?: (actor: UserActor | ServiceActor) => boolean;
}

/**
 * Opens a stream of events. Delivers an event only if the actor has the right to it at that moment.
 * @throws UNAUTHENTICATED, NOT_FOUND, FORBIDDEN, and INVALID for a cursor that is not of the log of this school.
 */
export async function openStream(ctx: Context, args: FollowArgs, { name, events, rows = [], isAllowed }: StreamOptions): Promise<Stream> {
  for (const { type, id, path } of rows) await find(ctx, type, id, path);
  const { actor, credential } = ctx;
  if (credential === null || (actor.kind !== 'user' && actor.kind !== 'service')) throw unauthenticated();
  const school = await find(ctx, 'School', args.schoolId, 'schoolId');
  const allows = isAllowed ?? ((receiver) => can(receiver, 'school.read', { schoolId: school.id }));
  // A service needs the scope `events` for every stream. A person needs only the right to this stream.
  if (actor.kind === 'service' || !allows(actor)) authorize(ctx, 'event.read', { schoolId: school.id });
  const after = typeof args.after === 'string' ? await cursorOf(ctx, school, args.after) : null;
  return follow(ctx.liveEvents, {
    schoolId: school.id,
    credential,
    after,
    streamKey: [name, ...rows.map(({ id }) => id)].join(' '),
    types: new Set(events),
    rows: rows.map(({ type, id }) => ({ id, payloadIds: payloadIdsOf(type) })),
    isAllowed: allows,
  });
}

/** Parses a cursor. @throws INVALID for a cursor of another school's log, or of an event that the log does not have yet. */
async function cursorOf(ctx: Context, school: School, text: string): Promise<Cursor> {
  const cursor = decodeCursor(text);
  const bounds = await ctx.liveEvents.reader.bounds(school.id);
  if (cursor.schoolId !== school.id || cursor.seq > (bounds?.head ?? 0n))
    throw invalid('after', [
      'Этот курсор не из журнала этой школы. Подпишитесь заново без after.',
      "This cursor is not of this school's log. Subscribe again without it.",
    ]);
  return cursor;
}

/** Opens a stream of all events of a school, for its administration and for services. Regulation 2.2 c, 1.5. */
export function followEvents(ctx: Context, args: FollowArgs & { types?: readonly EventType[] | null }): Promise<Stream> {
  const events = [...new Set(args.types ?? eventTypes)].sort();
  return openStream(ctx, args, {
    name: `events ${events.join(' ')}`,
    events,
    isAllowed: (actor) => can(actor, 'event.read', { schoolId: args.schoolId }),
  });
}
