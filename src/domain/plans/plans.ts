import type { RosterNotice } from '../../roster/roster.ts';
import type { PlanRow, Plan, Page, PageArgs, School } from '../entities.ts';
import { paginateChildren } from '../connection.ts';
import type { Context } from '../context.ts';
import { readable } from '../resources.ts';

/** Lists of plans and of their rows. */

/** Returns the plans of a school that the actor may read, newest first. */
export function plansOf(ctx: Context, { id }: School, args: PageArgs & { state?: Plan['state'] | null }): Promise<Page<Plan>> {
  const order = { tag: 'plan', keys: [{ field: 'id', direction: 'desc', type: 'string' }] } as const;
  return paginateChildren<Plan>(ctx, { model: 'School', id, relation: 'plans' }, args, {
    order,
    filter: { AND: [args.state ? { state: args.state } : {}, readable(ctx.actor, 'Plan')] },
  });
}

export interface PlanRowFilter {
  operation?: PlanRow['operation'] | null;
  noun?: PlanRow['noun'] | null;
  code?: string | null;
}

/**
 * The form of every code. `filterOf` replaces any other text by an empty code, which matches no row: PostgreSQL would fail on
 * U+0000.
 */
const codePattern = /^[A-Z0-9_]+$/;

const filterOf = ({ operation, noun, code }: PlanRowFilter) => ({
  ...(operation ? { operation } : {}),
  ...(noun ? { noun } : {}),
  ...(typeof code === 'string' ? { code: codePattern.test(code) ? code : '' } : {}),
});

/** Returns the rows of a plan by position: errors of the file first, then classes, subjects, people and assignments. */
export function planRowsOf(ctx: Context, { id }: Plan, args: PageArgs & PlanRowFilter): Promise<Page<PlanRow>> {
  const order = { tag: 'plan row', keys: [{ field: 'position', direction: 'asc', type: 'number' }] } as const;
  return paginateChildren<PlanRow>(ctx, { model: 'Plan', id, relation: 'rows' }, args, {
    order,
    filter: { AND: [filterOf(args), readable(ctx.actor, 'PlanRow')] },
  });
}

export type PlanCounts = Record<PlanRow['operation'], number>;

/** Returns how many rows of a plan have each operation. One statement counts for all plans of a request. */
export async function planCountsOf(ctx: Context, { id }: Plan): Promise<PlanCounts> {
  const counts = await ctx.loaders.of<PlanCounts>('Plan.counts', id, async (planIds) => {
    const groups = await ctx.db.prisma.planRow.groupBy({
      by: ['planId', 'operation'],
      where: { planId: { in: [...planIds] } },
      _count: true,
    });
    return new Map(
      planIds.map((planId) => {
        const own = groups.filter((group) => group.planId === planId);
        return [planId, { ...noRows, ...Object.fromEntries(own.map(({ operation, _count }) => [operation, _count])) }] as const;
      }),
    );
  });
  return counts ?? noRows;
}

const noRows: PlanCounts = { ADD: 0, CHANGE: 0, END: 0, KEEP: 0, ERROR: 0 };

/** A warning of the file reader, as the plan stores it. */
export type PlanWarning = RosterNotice;

export const warningsOf = ({ warnings }: Plan): PlanWarning[] => warnings as unknown as PlanWarning[];

/** How many pupils a plan moves from a class to another class, to no class, or out of the school. */
export interface PupilMove {
  from: string;
  /** Null if they go to no class. */
  to: string | null;
  leave: boolean;
  count: number;
}

const selectMoves = `
  select r.before->>'className' as "from", r.after->>'className' as "to", r.operation = 'END' as "leave", count(*)::int as count
  from plan_row r left join class c on c.id = (r.before->>'classId')::uuid
  where r.plan_id = $1 and r.noun = 'PERSON' and r.operation in ('CHANGE', 'END') and r.before->>'className' is not null
  group by 1, 2, 3, c.sort_key order by c.sort_key, 2`;

/** Returns the moves of pupils in the plan of a school year, in the order of their classes. */
export async function summarizePupils({ db }: Context, { id }: Plan): Promise<PupilMove[]> {
  return (await db.pool.query<PupilMove>(selectMoves, [id])).rows;
}
