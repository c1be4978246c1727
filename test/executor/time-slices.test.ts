import { buildSchema, execute as executeByGraphql, parse, type ExecutionResult } from 'graphql';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { execute } from '../../src/executor/executor.ts';
import { runInSlice, sliceCount } from '../../src/executor/time-slices.ts';

/**
 * The executor writes large results in time slices, so that the event loop runs in between. It writes small results at
 * once.
 */

const schema = buildSchema(`
  type Query { rows(n: Int!): [Row] sure: [Row!] strict: Strict }
  type Strict { rows: [Row!]! tail: String }
  type Row { id: ID! name: String cells(n: Int!): [Cell!] cell: Cell! }
  type Cell { text: String! maybe: Int }
`);

/**
 * The index of a value decides whether the value fails or waits, so that our executor and graphql-js get the same
 * values.
 */
function rootOf({ count, cells, failing, waiting }: { count: number; cells: number; failing: number; waiting: number }) {
  const now = <T>(n: number, value: T): T | Promise<T> => (waiting > 0 && n % waiting === 0 ? Promise.resolve(value) : value);
  const cell = (n: number) => ({
    text: () => {
      if (failing > 0 && n % failing === failing - 1) throw new Error(`no text of ${n}`);
      return now(n, `текст "${n}"`);
    },
    maybe: () => (n % 3 === 0 ? null : n),
  });
  const row = (n: number) => ({
    id: n,
    name: () => now(n, `строка ${n}`),
    cells: () =>
      now(
        n + 1,
        Array.from({ length: cells }, (_, m) => cell(n * cells + m)),
      ),
    cell: () => cell(n),
  });
  const rows = () => Array.from({ length: count }, (_, n) => row(n));
  return { rows, sure: rows, strict: () => ({ rows, tail: () => 'конец' }) };
}

const selection = '{ id name cells(n: 1) { text maybe } cell { text } }';
const inAnyOrder = ({ data, errors }: ExecutionResult) => ({
  data: JSON.stringify(data),
  errors: (errors ?? []).map((error) => JSON.stringify(error)).sort(),
});

describe('a large answer', () => {
  it('written in slices equals the result of graphql-js, including errors and their paths', async () => {
    const shapes = fc.record({
      count: fc.integer({ min: 1100, max: 1800 }),
      cells: fc.integer({ min: 0, max: 4 }),
      failing: fc.constantFrom(0, 0, 97, 1501),
      waiting: fc.constantFrom(0, 1, 7),
    });
    await fc.assert(
      fc.asyncProperty(shapes, fc.constantFrom('rows(n: 1)', 'sure', 'strict { rows'), async (shape, field) => {
        const document = parse(`{ a: __typename ${field} ${selection} ${field.startsWith('strict') ? 'tail }' : ''} z: __typename }`);
        const before = sliceCount();
        const ours = await execute({ schema, document, rootValue: rootOf(shape) });
        const theirs = await executeByGraphql({ schema, document, rootValue: rootOf(shape) });
        if (shape.failing === 0) expect(sliceCount()).toBeGreaterThan(before);
        // If null propagates to a list, the number of further errors depends on timing. graphql-js guarantees one error
        // or more.
        if (shape.failing > 0 && field !== 'rows(n: 1)') {
          expect(JSON.stringify(ours.data)).toBe(JSON.stringify(theirs.data));
          expect(ours.errors === undefined).toBe(theirs.errors === undefined);
        } else expect(inAnyOrder(ours)).toEqual(inAnyOrder(theirs));
      }),
      { numRuns: 12 },
    );
  });

  it.each([
    ['that waits for nothing', 0],
    ['that waits here and there', 7],
    ['that waits everywhere', 1],
  ])('%s lets the event loop run while it is written, and does not delay other responses', async (_what, waiting) => {
    const document = parse('{ rows(n: 1) { id name cells(n: 1) { text maybe } } }');
    let turns = 0;
    let over = false;
    const count = () => {
      turns += 1;
      if (!over) setTimeout(count, 0);
    };
    count();
    const large = Promise.resolve(execute({ schema, document, rootValue: rootOf({ count: 20_000, cells: 4, failing: 0, waiting }) }));
    const order: string[] = [];
    void large.then(() => order.push('large'));
    const small = Promise.resolve(execute({ schema, document, rootValue: rootOf({ count: 1, cells: 1, failing: 0, waiting: 1 }) }));
    void small.then(() => order.push('small'));
    await Promise.all([large, small]);
    over = true;
    expect(order).toEqual(['small', 'large']);
    expect(turns).toBeGreaterThan(5);
  });

  it('that is no longer awaited is still written to the end, and does not affect the next ones', async () => {
    const document = parse(`{ strict { rows ${selection} tail } }`);
    const failing = await execute({ schema, document, rootValue: rootOf({ count: 3000, cells: 2, failing: 1501, waiting: 7 }) });
    expect(failing.data).toEqual({ strict: null });
    const whole = await execute({ schema, document, rootValue: rootOf({ count: 3000, cells: 2, failing: 0, waiting: 7 }) });
    expect(whole.errors).toBeUndefined();
    expect((whole.data as { strict: { rows: unknown[] } }).strict.rows).toHaveLength(3000);
  });
});

describe('steps in slices', () => {
  it('run in their order, each once, with other work between two slices', async () => {
    const ran: string[] = [];
    const busy = (name: string) => {
      const end = performance.now() + 9;
      while (performance.now() < end);
      ran.push(name);
    };
    await new Promise<void>((resolve) => {
      runInSlice(() => setTimeout(() => ran.push('timer'), 0));
      for (const name of ['a', 'b', 'c']) runInSlice(() => busy(name));
      runInSlice(() => runInSlice(resolve));
    });
    expect(ran.filter((name) => name !== 'timer')).toEqual(['a', 'b', 'c']);
    expect(ran.indexOf('timer')).toBeGreaterThanOrEqual(0);
    expect(ran.indexOf('timer')).toBeLessThan(3);
  });
});
