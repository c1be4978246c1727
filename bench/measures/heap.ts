import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { globalId } from '../../src/graphql/typed-id.ts';
import { expectAlive, openSubscriptions, sendExpandingDocument, sendLargeDocuments, type HeapTarget } from '../heap/hostile-documents.ts';
import { collectGarbage, oldGenerationBytes } from '../live/memory.ts';
import { sendLoad } from '../load.ts';
import { summarise, type Env, type Measure } from '../measure.ts';
import { addPeople } from '../seed.ts';
import { connections, one } from './reads.ts';

/**
 * Measures the heap of a small server after it has executed documents that fill its caches. The caches are bounded by
 * size. Also measures how many bytes of garbage a query leaves in V8's old generation, which only a full collection
 * frees.
 */

const accounts = 12;
const maxHeapMiB = 160;
/** Limit of the used heap: three quarters of `maxHeapMiB`, since running requests need the rest. */
const maxUsedMiB = 120;
const maxBytesPerQuery = 100;
/**
 * Limit of the bytes that a request leaves in the old generation. Requests that run during two young collections leave
 * about 300 bytes each.
 */
const maxBytesPerRequest = 1500;

export const heap: Measure = {
  name: 'heap',
  title: `A server with a heap of ${maxHeapMiB} MiB after documents that fill its caches, and the garbage of a query: the largest share of its limit`,
  unit: 'of the limit',
  better: 'lower',
  target: { absolute: 1 },
  async run(env) {
    const usedMiB = await measureServer(env);
    const rows: Record<string, { measured: number; limit: number }> = {
      ...Object.fromEntries(Object.entries(usedMiB).map(([load, measured]) => [`${load}: heap, MiB`, { measured, limit: maxUsedMiB }])),
      'a page of a list: old generation, bytes per query': { measured: await measurePage(), limit: maxBytesPerQuery },
      'a small read: old generation, bytes per request': { measured: await measureRequest(env), limit: maxBytesPerRequest },
    };
    return {
      ours: summarise([Math.max(...Object.values(rows).map(({ measured, limit }) => measured / limit))]),
      peers: {},
      series: { title: 'Heap in use after a full collection, and what a query leaves in the old generation without one', unit: '', rows },
      notes:
        `The server runs with --max-old-space-size=${maxHeapMiB} and may use ${maxUsedMiB} MiB of it after a full collection. ${accounts} accounts send distinct documents of 14 KB, ` +
        'one document that nine variables expand to hundreds of plans, and distinct subscriptions, which stay open. After each load every account got an answer. The figures do not depend on other load of the machine.',
    };
  },
};

/** Returns the heap that the server uses after each load, in MiB. */
async function measureServer(env: Env): Promise<Record<string, number>> {
  const server = await env.startOurs({ NODE_OPTIONS: `--max-old-space-size=${maxHeapMiB}` });
  const target: HeapTarget = { url: server.url, tokens: await addAccounts(env) };
  const schoolId = globalId('School', env.ids.schoolId);
  let close = (): void => {};
  const loads: Record<string, () => Promise<unknown>> = {
    'large documents': () => sendLargeDocuments(target, env.quick ? 50 : 500),
    'a document with many plans': () => sendExpandingDocument(target, env.quick ? 30 : 300),
    'open subscriptions': async () => {
      const opened = await openSubscriptions(target, schoolId, env.quick ? 5 : 40);
      close = opened.close;
      if (!env.quick && !opened.codes.has('TOO_MANY_DOCUMENTS')) throw new Error('the subscriptions did not fill the cache of documents');
    },
  };
  const used: Record<string, number> = {};
  for (const [name, load] of Object.entries(loads)) {
    await load();
    await expectAlive(target);
    used[name] = (await collectGarbage(server.pid)) / 2 ** 20;
  }
  close();
  await server.stop();
  return used;
}

/** Adds administrators to the seeded school; returns their tokens. */
async function addAccounts({ databaseUrl, ids, token }: Env): Promise<string[]> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    return await Promise.all((await addPeople(client, ids.schoolId, 'SCHOOL_ADMINISTRATION', 3000, accounts)).map(token));
  } finally {
    await client.end();
  }
}

/** Returns the bytes that a query for one page leaves in the old generation. bench/heap/page-garbage.ts measures them. */
const measurePage = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(new URL('../heap/page-garbage.ts', import.meta.url)));
    child.once('message', (bytes: number) => resolve(bytes));
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`bench/heap/page-garbage.ts ended with ${code} before it measured`)));
  });

/** Returns the bytes of the old generation that a small read costs a server, in the best of several samples. */
async function measureRequest(env: Env): Promise<number> {
  const server = await env.startOurs();
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${await env.token(env.ids.administratorId)}` };
  const bodies = [JSON.stringify({ query: one.ours, variables: { id: globalId('Class', env.ids.classIds[0]!) } })];
  const amount = env.quick ? 2000 : 10_000;
  const send = () => sendLoad({ url: server.url, headers, bodies, connections, amount });
  await send();
  let least = Infinity;
  for (let n = 0; n < 5; n += 1) {
    const before = await oldGenerationBytes(server.pid);
    await send();
    const bytes = ((await oldGenerationBytes(server.pid)) - before) / amount;
    // Ignores a sample in which the old generation shrank: a full collection has freed the bytes that the sample should
    // count.
    if (bytes >= 0) least = Math.min(least, bytes);
  }
  await server.stop();
  return least;
}
