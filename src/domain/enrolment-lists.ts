import { can } from '../policy/can.ts';
import { findRows } from '../reader/select.ts';
import type { EventType } from '../events/catalog.ts';
import type { Stream } from '../events/live/subscription.ts';
import { authorize, findFor } from './access.ts';
import { orderByText, paginateChildren } from './connection.ts';
import type { Context } from './context.ts';
import type { Class, Enrolment, Page, PageArgs, School, User } from './entities.ts';
import { openStream, type FollowArgs } from './events.ts';
import { inForce } from './intervals.ts';
import { directionOf, orderBy, type OrderBy } from './list-order.ts';
import { readable } from './resources.ts';

/** Lists the enrolments of a class, of a school and of a pupil, and opens the stream of enrolments. */

const pupilOrder = orderByText('pupils', 'student.sortKey');

/** Returns the enrolments in a class that are in force at `asOf`, in alphabetical order of the pupils. */
export function enrolmentsIn(ctx: Context, { id }: Class, args: PageArgs & { asOf?: Date | null }): Promise<Page<Enrolment>> {
  const filter = () => ({ AND: [inForce(args.asOf), readable(ctx.actor, 'Enrolment')] });
  return paginateChildren<Enrolment>(ctx, { model: 'Class', id, relation: 'enrolments' }, args, {
    order: pupilOrder,
    filter,
    joined: { childType: 'Enrolment', field: 'student', type: 'User' },
  });
}

export interface EnrolmentFilter {
  classId?: string | null;
  /** Undefined or true: enrolments that have not ended. False: ended enrolments. Null: both. */
  active?: boolean | null;
  updatedSince?: Date | null;
  orderBy?: OrderBy<'STARTED_AT' | 'UPDATED_AT'> | null;
}

const orderColumns = { STARTED_AT: { field: 'startedAt', type: 'date' }, UPDATED_AT: { field: 'updatedAt', type: 'date' } } as const;

/** Returns the enrolments in the classes of a school, by default only current enrolments, earliest first. */
export function enrolmentsInSchool(ctx: Context, { id }: School, args: PageArgs & EnrolmentFilter): Promise<Page<Enrolment>> {
  const { active = true } = args;
  return paginateChildren<Enrolment>(ctx, { model: 'School', id, relation: 'enrolments' }, args, {
    order: orderBy('enrolment', orderColumns[args.orderBy?.field ?? 'STARTED_AT'], directionOf(args.orderBy?.direction), 'id'),
    filter: () => ({
      AND: [
        active === null ? {} : { endedAt: active ? null : { not: null } },
        args.classId ? { classId: args.classId } : {},
        args.updatedSince ? { updatedAt: { gte: args.updatedSince } } : {},
        readable(ctx.actor, 'Enrolment'),
      ],
    }),
    joined: { childType: 'Enrolment', field: 'student', type: 'User' },
  });
}

/** Returns a pupil's enrolments, latest first. */
export function enrolmentsOf(ctx: Context, { id }: User, args: PageArgs): Promise<Page<Enrolment>> {
  const order = {
    tag: 'places',
    keys: [
      { field: 'startedAt', direction: 'desc', type: 'date' },
      { field: 'id', direction: 'desc', type: 'string' },
    ],
  } as const;
  return paginateChildren<Enrolment>(ctx, { model: 'User', id, relation: 'enrolments' }, args, {
    order,
    filter: () => readable(ctx.actor, 'Enrolment'),
  });
}

/** Returns a pupil's present enrolment, if the actor may see it; batched. */
export function enrolmentOf(ctx: Context, { id }: User): Promise<Enrolment | null> {
  return ctx.loaders.of<Enrolment>('User.enrolment', id, async (studentIds) => {
    const rows = await findRows<Enrolment>(ctx.db, 'Enrolment', {
      where: { AND: [{ studentId: { in: studentIds }, endedAt: null }, readable(ctx.actor, 'Enrolment')] },
    });
    return new Map(rows.map((row) => [row.studentId, row]));
  });
}

/**
 * Opens a stream of the enrolments, transfers and withdrawals in a school or a class. Delivers an event only if the actor has
 * the right to it at that moment.
 */
export async function followEnrolments(
  ctx: Context,
  args: FollowArgs & { classId?: string | null },
  events: readonly EventType[],
): Promise<Stream> {
  const { schoolId, classId } = args;
  const stream = { name: 'enrolments', events };
  if (typeof classId !== 'string') return openStream(ctx, args, stream);
  const found = await findFor(ctx, 'Class', classId, 'class.read');
  authorize(ctx, 'enrolment.read', { schoolId: found.schoolId, classId, userId: '', current: true });
  return openStream(ctx, args, {
    ...stream,
    rows: [{ type: 'Class', id: classId, path: 'classId' }],
    isAllowed: (actor) => can(actor, 'enrolment.read', { schoolId, classId, userId: '', current: true }),
  });
}
