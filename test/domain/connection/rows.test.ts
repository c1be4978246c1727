import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '../../../src/db/client.ts';
import type { RateLimit } from '../../../src/db/generated/client.ts';
import { paginate } from '../../../src/domain/connection.ts';
import type { PageArgs } from '../../../src/domain/entities.ts';
import type { Order } from '../../../src/reader/keyset.ts';
import { openTestDatabase } from '../../support/database.ts';

let db: Database;
const rows: RateLimit[] = [];
beforeAll(async () => {
  db = await openTestDatabase();
  for (let at = 0; at < 30; at++)
    rows.push({ key: `${'бёэzZ'.charAt(at % 5)}${at}`, count: at % 4, resetsAt: new Date(Date.UTC(2026, 0, 1, 0, 0, 0, at % 7)) });
  await db.prisma.rateLimit.createMany({ data: rows });
  // The text column of this table uses the cluster's collation, so the test reads the expected order from the database.
  const inOrder = await db.prisma.rateLimit.findMany({ orderBy: { key: 'asc' } });
  rows.splice(0, rows.length, ...inOrder);
});
afterAll(() => db.close());

type Field = 'key' | 'count' | 'resetsAt';
const types = { key: 'string', count: 'number', resetsAt: 'date' } as const;
const orderOf = (...keys: [Field, 'asc' | 'desc'][]): Order => ({
  tag: keys.join(),
  keys: keys.map(([field, direction]) => ({ field, direction, type: types[field] })),
});

const direction = fc.constantFrom('asc' as const, 'desc' as const);
const orders = fc
  .tuple(fc.constantFrom<Field | null>('count', 'resetsAt', null), direction, direction)
  .map(([lead, first, second]) => (lead === null ? orderOf(['key', second]) : orderOf([lead, first], ['key', second])));

/** Returns the expected list: the rows, sorted in JavaScript. */
function sorted({ keys }: Order): RateLimit[] {
  const rank = new Map(rows.map((row, at) => [row.key, at]));
  const value = (row: RateLimit, field: string): number =>
    field === 'key' ? (rank.get(row.key) ?? -1) : field === 'count' ? row.count : row.resetsAt.getTime();
  return [...rows].sort((a, b) => {
    for (const { field, direction: way } of keys) {
      const difference = value(a, field) - value(b, field);
      if (difference !== 0) return way === 'asc' ? difference : -difference;
    }
    return 0;
  });
}

async function ask(args: PageArgs, order: Order) {
  const { where, orderBy, limit, toConnection } = paginate<RateLimit>(args, order);
  return toConnection(await db.prisma.rateLimit.findMany({ where, orderBy, take: limit }));
}

describe('page', () => {
  it('returns the whole list once and in order, in both directions', async () => {
    const walk = fc.asyncProperty(orders, fc.integer({ min: 1, max: 40 }), fc.boolean(), async (order, size, backward) => {
      const found: RateLimit[] = [];
      let cursor: string | null = null;
      for (;;) {
        const { edges, pageInfo } = await ask(backward ? { last: size, before: cursor } : { first: size, after: cursor }, order);
        const nodes = Array.from(edges, ({ node }) => node);
        expect(pageInfo[backward ? 'hasNextPage' : 'hasPreviousPage']).toBe(cursor !== null);
        expect([pageInfo.startCursor, pageInfo.endCursor]).toEqual([edges.at(0)?.cursor ?? null, edges.at(-1)?.cursor ?? null]);
        found[backward ? 'unshift' : 'push'](...nodes);
        cursor = backward ? pageInfo.startCursor : pageInfo.endCursor;
        if (!pageInfo[backward ? 'hasPreviousPage' : 'hasNextPage']) break;
        expect(edges).toHaveLength(size);
      }
      expect(found).toEqual(sorted(order));
    });
    await fc.assert(walk, { numRuns: 25 });
  });

  it('returns the rows between two cursors', async () => {
    const between = fc.asyncProperty(orders, fc.nat(29), fc.nat(29), fc.boolean(), async (order, from, to, backward) => {
      const all = sorted(order);
      const { edges } = await ask({ first: 100 }, order);
      const bounds = { after: edges.at(from)?.cursor ?? null, before: edges.at(to)?.cursor ?? null };
      const got = await ask({ ...(backward ? { last: 100 } : { first: 100 }), ...bounds }, order);
      expect(Array.from(got.edges, ({ node }) => node)).toEqual(all.slice(from + 1, Math.max(to, from + 1)));
    });
    await fc.assert(between, { numRuns: 25 });
  });

  it('returns 20 rows by default', async () => {
    expect((await ask({}, orderOf(['key', 'asc']))).edges).toHaveLength(20);
  });
});
