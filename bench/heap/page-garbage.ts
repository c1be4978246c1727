import { getHeapSpaceStatistics } from 'node:v8';
// Imports the copy of graphql that src uses. The executor refuses schemas of another copy, such as the one in
// bench/node_modules.
import { buildSchema, parse } from '../../node_modules/graphql/index.js';
import { paginate } from '../../src/domain/connection.ts';
import type { Order } from '../../src/reader/keyset.ts';
import { executeToWriter, isExecutionState, takeBytes } from '../../src/executor/executor.ts';

/**
 * Measures how many bytes a finished query leaves in V8's old generation. Runs in a process of its own. V8 moves
 * objects that survive young collections to the old generation, and frees them only in a full collection.
 */

const schema = buildSchema(`
  type Query { things: Things! }
  type Things { edges: [Edge!]! pageInfo: PageInfo! }
  type Edge { node: Thing! cursor: String! }
  type Thing { id: ID! }
  type PageInfo { hasNextPage: Boolean! endCursor: String }
`);
const order: Order = { tag: 'things', keys: [{ field: 'id', direction: 'asc', type: 'string' }] };
const rows = Array.from({ length: 10 }, (_, n) => ({ id: `${n}` }));
// The resolver is asynchronous, so that each execution waits for values. An execution that does not wait ends before a
// young collection could move its objects to the old generation.
schema.getQueryType()!.getFields().things!.resolve = async () => paginate<{ id: string }>({ first: 5 }, order).toConnection(rows);
const document = parse('{ things { edges { node { id } cursor } pageInfo { hasNextPage endCursor } } }');

const warmUpQueries = 5000;
const queriesPerSample = 2000;
const samples = 5;

const oldGenerationBytes = (): number => getHeapSpaceStatistics().find(({ space_name }) => space_name === 'old_space')!.space_used_size;

async function execute(times: number): Promise<void> {
  for (let n = 0; n < times; n += 1) {
    const state = await executeToWriter({ schema, document, contextValue: {} });
    if (!isExecutionState(state)) throw new Error('the executor left the document to graphql-js');
    takeBytes(state).release();
  }
}

/**
 * Returns the bytes per query in the sample with the fewest bytes. An object that queries retain adds bytes to every
 * sample; other work adds bytes to some samples only.
 */
async function leastBytesPerQuery(): Promise<number> {
  // Warms up, so that the samples contain no one-time allocations and no compilation.
  await execute(warmUpQueries);
  let least = Infinity;
  for (let n = 0; n < samples; n += 1) {
    const before = oldGenerationBytes();
    await execute(queriesPerSample);
    const bytes = (oldGenerationBytes() - before) / queriesPerSample;
    // Ignores a sample in which the old generation shrank: a full collection has freed the bytes that the sample should
    // count.
    if (bytes >= 0) least = Math.min(least, bytes);
  }
  return least;
}

process.send!(await leastBytesPerQuery());
process.disconnect();
