import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '../../src/db/client.ts';
import type { RateLimit } from '../../src/db/generated/client.ts';
import { paginate, type Order, type PageArgs } from '../../src/db/pagination.ts';
import { Refusal } from '../../src/errors.ts';
import { openTestDatabase } from '../support/database.ts';

let db: Database;
const rows: RateLimit[] = [];
beforeAll(async () => {
  db = await openTestDatabase();
  for (let at = 0; at < 30; at++)
    rows.push({ key: `${'бёэzZ'.charAt(at % 5)}${at}`, count: at % 4, resetsAt: new Date(Date.UTC(2026, 0, 1, 0, 0, 0, at % 7)) });
  await db.prisma.rateLimit.createMany({ data: rows });
  // The text column of this table uses the collation of the cluster, so the model reads the order from the database.
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

/** Returns the expected list: an array sorted in JavaScript. */
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

  it('supports sequence numbers beyond 2^53', () => {
    const order: Order = { tag: 'event', keys: [{ field: 'seq', direction: 'desc', type: 'bigint' }] };
    const seq = 2n ** 53n + 1n;
    const [edge] = paginate({ first: 1 }, order).toConnection([{ seq }]).edges;
    expect(paginate({ after: edge?.cursor ?? '' }, order).where).toEqual({ AND: [{ seq: { lt: seq } }] });
  });
});

describe('page refuses', () => {
  const order = orderOf(['count', 'asc'], ['key', 'asc']);
  const refusal = (args: PageArgs, of: Order = order): Refusal | undefined => {
    try {
      paginate(args, of);
    } catch (error) {
      if (error instanceof Refusal) return error;
      throw error;
    }
    return undefined;
  };
  const cursor = (...parts: unknown[]): string => Buffer.from(JSON.stringify(parts)).toString('base64url');

  it.each([
    [{ first: 0 }, 'first'],
    [{ first: 101 }, 'first'],
    [{ last: -1 }, 'last'],
    [{ first: 1.5 }, 'first'],
    [{ first: 1, last: 1 }, 'last'],
  ])('a wrong size %j', (args, field) => expect(refusal(args)).toMatchObject({ code: 'INVALID', at: [field] }));

  it('a cursor of another list, and invalid cursors', () => {
    const { tag } = order;
    const good = cursor(tag, 1, 'a');
    expect(refusal({ after: good })).toBeUndefined();
    const wrong = [
      '',
      ' ',
      'x',
      `${good} `,
      `${good}=`,
      cursor(),
      cursor(tag),
      cursor('other', 1, 'a'),
      cursor(tag, 1, 'a', 2),
      cursor(tag, '1', 'a'),
      cursor(tag, 1.5, 'a'),
      cursor(tag, 2 ** 31, 'a'),
      cursor(tag, 1, 'a\0'),
      cursor(tag, 1, '\ud800'),
      cursor(tag, 1, null),
      cursor(tag, { gt: 0 }, 'a'),
    ];
    for (const after of wrong) expect(refusal({ after }), after).toMatchObject({ code: 'INVALID', at: ['after'] });
    for (const before of wrong) expect(refusal({ before }), before).toMatchObject({ code: 'INVALID', at: ['before'] });
  });

  it('a position that the database cannot parse', () => {
    const by = (field: string, type: 'string' | 'date' | 'bigint'): Order => ({ tag: 't', keys: [{ field, direction: 'asc', type }] });
    for (const value of ['x', randomUUID().slice(1), `${randomUUID()}\n`])
      expect(refusal({ after: cursor('t', value) }, by('id', 'string'))).toBeDefined();
    for (const value of [
      'now',
      5,
      '2026-02-40T00:00:00.000Z',
      '2026-02-30T00:00:00.000Z',
      '2026-01-01T24:00:00.000Z',
      '0000-01-01T00:00:00.000Z',
      '2026-01-01T00:00:00.000Z\n',
    ])
      expect(refusal({ after: cursor('t', value) }, by('at', 'date'))).toBeDefined();
    for (const value of ['1e3', 1, '9'.repeat(30), '']) expect(refusal({ after: cursor('t', value) }, by('seq', 'bigint'))).toBeDefined();
    expect(refusal({ after: cursor('t', randomUUID()) }, by('id', 'string'))).toBeUndefined();
    for (const value of ['0001-01-01T00:00:00.000Z', '2024-02-29T00:00:00.000Z', '9999-12-31T23:59:59.999Z'])
      expect(refusal({ after: cursor('t', value) }, by('at', 'date'))).toBeUndefined();
  });

  it('any made-up cursor, without an internal error', () => {
    const refused = (after: string): void => {
      expect(refusal({ after })?.code).toBe('INVALID');
    };
    fc.assert(fc.property(fc.string({ unit: 'binary' }), refused));
    fc.assert(fc.property(fc.json(), (json) => refused(Buffer.from(json).toString('base64url'))));
  });
});
