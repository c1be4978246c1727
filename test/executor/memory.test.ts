import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { buildSchema, parse } from 'graphql';
import { expect, it } from 'vitest';
import { paginate } from '../../src/domain/connection.ts';
import { executeToWriter, isExecutionState, takeBytes } from '../../src/executor/executor.ts';
import { JsonWriter } from '../../src/executor/json-writer.ts';
import type { Order } from '../../src/reader/keyset.ts';
import { until } from '../support/until.ts';

/**
 * The executor releases a result at once: objects that reach V8's old generation are copied there and stay until a full
 * collection.
 */

const schema = buildSchema(`
  type Query { things: Things! }
  type Things { edges: [Edge!]! pageInfo: PageInfo! }
  type Edge { node: Thing! cursor: String! }
  type Thing { id: ID! }
  type PageInfo { hasNextPage: Boolean! endCursor: String }
`);
const order: Order = { tag: 'things', keys: [{ field: 'id', direction: 'asc', type: 'string' }] };
const rows = Array.from({ length: 10 }, (_none, n) => ({ id: `${n}` }));
schema.getQueryType()!.getFields().things!.resolve = async () => paginate<{ id: string }>({ first: 5 }, order).toConnection(rows);
const document = parse('{ things { edges { node { id } cursor } pageInfo { hasNextPage endCursor } } }');

const old = (): number => getHeapSpaceStatistics().find((space) => space.space_name === 'old_space')!.space_used_size;

async function answer(times: number): Promise<void> {
  for (let n = 0; n < times; n += 1) {
    const run = await executeToWriter({ schema, document, contextValue: {} });
    if (!isExecutionState(run)) throw new Error('it was not planned');
    takeBytes(run).release();
  }
}

it('retains no memory of a page with asynchronous values', async () => {
  // Warms up, so that one-time allocations and compilation are not measured.
  await answer(5000);
  let least = Infinity;
  for (let round = 0; round < 5; round += 1) {
    const before = old();
    await answer(2000);
    const grown = (old() - before) / 2000;
    // Skips samples with a full collection in between.
    if (grown >= 0) least = Math.min(least, grown);
  }
  expect(least).toBeLessThan(100);
});

it('retains at most 16 MB in its buffer pool', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  const before = process.memoryUsage().arrayBuffers;
  const megabyte = 1024 * 1024;
  const write = (): void => {
    const writers = Array.from({ length: 20 }, () => new JsonWriter());
    for (const json of writers) for (let n = 0; n < 4; n += 1) json.json(' '.repeat(megabyte / 4));
    for (const json of writers) json.end();
  };
  write();
  // V8 frees the memory on another thread, a moment later.
  await until(() => {
    collect();
    const kept = process.memoryUsage().arrayBuffers - before;
    expect(kept).toBeLessThan(17 * megabyte);
    expect(kept).toBeGreaterThan(megabyte);
  });
});
