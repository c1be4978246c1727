import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeGlobalID } from '@pothos/plugin-relay';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { WebSocket } from 'ws';
import { connect } from '../../src/db/client.ts';
import { createLogger } from '../../src/logger.ts';
import { server } from '../support/database.ts';
import { compile, prepareServer, startServer, type ServerProcess, type CompiledServer } from '../support/process.ts';
import { ask, json, openSignedIn, type ResponseError, type RawSocket } from './raw-http.ts';
import { until } from '../support/until.ts';

/**
 * A server with a small heap survives any valid documents: its caches are bounded by size, not by number of entries.
 */

const accounts = 12;

let compiled: CompiledServer | undefined;
let folder: string | undefined;
let child: ServerProcess;
let schoolId: string;
let tokens: string[];
const sockets: RawSocket[] = [];

beforeAll(async () => {
  // The server's memory does not depend on the database, so one run on the embedded database is enough.
  if (server !== undefined) return;
  compiled = compile();
  folder = mkdtempSync(join(tmpdir(), 'sfera-data-'));
  const db = await connect({ poolSize: 1, dataDir: folder, log: createLogger('silent'), template: readFileSync(inject('template')) });
  const fixture = await prepareServer(db);
  try {
    const { school } = await fixture.build.school();
    schoolId = encodeGlobalID('School', school.id);
    const people = await Promise.all(
      Array.from({ length: accounts }, () => fixture.build.user({ schoolId: school.id, role: 'SCHOOL_ADMINISTRATION' })),
    );
    tokens = await Promise.all(people.map(fixture.token));
  } finally {
    await db.close();
  }
  child = startServer(compiled, fixture.port, { ...fixture.env, DATA_DIR: folder, NODE_OPTIONS: '--max-old-space-size=160' });
  await child.ready();
});
afterAll(async () => {
  for (const { ws } of sockets) ws.terminate();
  await child?.kill();
  compiled?.remove();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

const send = async (token: string, body: object) => {
  const { codes, data } = await ask(child.url, { headers: json(token), body: JSON.stringify(body) });
  return { codes, data };
};

/** Runs all items, eight at a time. */
async function each<T>(items: readonly T[], run: (item: T) => Promise<unknown>): Promise<void> {
  const left = [...items];
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (let next = left.pop(); next !== undefined; next = left.pop()) await run(next);
    }),
  );
}

/** Returns a unique document of 14 KB and about 1,500 tokens. */
const large = (name: string): string =>
  `query ${name} { ${Array.from({ length: 5 }, (_, n) => `a${n}: viewer { ${'id fullName shortName surname givenName patronymic '.repeat(50)} }`).join(' ')} __typename } #${'x'.repeat(2000)}`;

/** Asserts that the server still responds. */
async function expectAlive(): Promise<void> {
  expect((await send('', { query: '{ __typename }' })).data).toEqual({ __typename: 'Query' });
  for (const token of tokens)
    expect((await send(token, { query: '{ viewer { __typename } }' })).data).toEqual({ viewer: { __typename: 'User' } });
}

describe.skipIf(server !== undefined)('a server with a heap of 160 MB', () => {
  it('survives large distinct documents of signed-in and anonymous clients', async () => {
    await each(
      Array.from({ length: 200 }, (_, n) => n),
      (n) => send('', { query: large(`A${n}`) }),
    );
    let answered = 0;
    await each(
      Array.from({ length: 25 * accounts }, (_, n) => n),
      async (n) => {
        const { codes, data } = await send(tokens[n % accounts]!, { query: large(`Q${n}`) });
        if (codes[0] === undefined && data) answered += 1;
        else expect(codes).toEqual(['RATE_LIMITED']);
      },
    );
    // The documents were valid: most were executed, so the server had to cache or evict them.
    expect(answered).toBeGreaterThan(200);
    await expectAlive();
  });

  it('survives small documents that variables expand to large plans', async () => {
    const names = Array.from({ length: 9 }, (_, n) => `v${n}`);
    const fields = '{ id __typename ... on User { fullName shortName } ... on Class { name grade } }';
    const query = `query Q(${names.map((name) => `$${name}: Boolean!`).join(' ')}) {
      ${names.map((name, n) => `a${n}: node(id: "x") @include(if: $${name}) ${fields}`).join(' ')}
      b: node(id: "x") ${fields} c: node(id: "x") ${fields}
    }`;
    await each(
      Array.from({ length: 300 }, (_, n) => n),
      async (n) => {
        const variables = Object.fromEntries(names.map((name, at) => [name, (n & (1 << at)) > 0]));
        const { codes, data } = await send(tokens[n % accounts]!, { query, variables });
        expect(codes).toEqual([]);
        expect(Object.keys(data!)).toHaveLength(2 + names.filter((name) => variables[name]).length);
      },
    );
    await expectAlive();
  });

  it('survives distinct subscriptions, and refuses those past its bound', async () => {
    const codes = new Set<string>();
    await each([...tokens.entries()], async ([at, token]) => {
      const socket = await openSignedIn(child.url, token);
      sockets.push(socket);
      for (let n = 0; n < 40; n += 1) {
        const query = `subscription S${at}x${n}($id: ID!) { chats(schoolId: $id) { ... on ChatChange { ${'chat { id } at chatId '.repeat(80)} } } }`;
        socket.send({ type: 'subscribe', id: `s${n}`, payload: { query, variables: { id: schoolId } } });
      }
      socket.send({ type: 'subscribe', id: 'last', payload: { query: '{ __typename }' } });
      await socket.waitForMessage(({ id }) => id === 'last');
      await until(() => expect(new Set(socket.messages.map(({ id }) => id)).size).toBeGreaterThan(20));
      for (const { payload } of socket.messages)
        for (const { extensions } of (payload as { errors?: ResponseError[] } | undefined)?.errors ?? []) codes.add(extensions.code);
    });
    expect(codes).toContain('TOO_MANY_DOCUMENTS');
    expect([...codes].filter((code) => !['TOO_MANY_DOCUMENTS', 'UNAVAILABLE', 'RATE_LIMITED'].includes(code))).toEqual([]);
    expect(sockets.every(({ ws }) => ws.readyState === WebSocket.OPEN)).toBe(true);
    await expectAlive();
  });
});
