import { setTimeout as pause } from 'node:timers/promises';
import { createClient, type Client, type ClientOptions } from 'graphql-ws';
import { generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { concurrency } from '../../../../src/http/account-limits.ts';
import { startSecondApp, type SecondApp } from '../../../support/second-app.ts';
import { openSfera, type Sfera } from '../../../support/sfera.ts';
import { openSignedIn, openSocket } from '../../raw-http.ts';

/** What happens on an open socket when its token is missing, wrong or expires. docs/events.md documents it for clients. */

let app: Sfera;
beforeAll(async () => void (app = await openSfera()));
afterAll(() => app.close());

const viewer = '{ viewer { id } }';
const stream =
  'subscription ($id: ID!, $after: String) { events(schoolId: $id, after: $after) { __typename ... on Checkpoint { cursor } ... on Ended { reason cursor } ... on EventNotice { cursor event { seq } } } }';
const expired = 1;

/** Returns an expired token. */
async function expiredToken(user: { id: string }): Promise<string> {
  const { token } = await app.token(user, expired);
  await pause(expired * 1000 + 50);
  return token;
}

/** When a token expires, in milliseconds since 1970. */
const expiryOf = (token: string): number =>
  (JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as { exp: number }).exp * 1000;

describe('a socket with credentials', () => {
  it.each<[what: string, code: number, token: () => Promise<string | undefined>]>([
    ['with no token', 4401, async () => undefined],
    ['with a token that is none', 4401, async () => 'no.such.token'],
    ['with an empty token', 4401, async () => ''],
    [
      'with a token that another key signed',
      4401,
      async () => {
        const { privateKey } = await generateKeyPair('ES256');
        return new SignJWT({ client_id: 'x' })
          .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: 'x' })
          .setIssuer(app.config.publicUrl)
          .setSubject('x')
          .setExpirationTime('-1m')
          .sign(privateKey);
      },
    ],
    ['with a token that has expired', 4403, async () => expiredToken((await app.build.school()).administrator)],
    [
      'with a token whose session has ended',
      4401,
      async () => {
        const { token, sessionId } = await app.token((await app.build.school()).administrator);
        await app.db.prisma.session.update({ where: { id: sessionId }, data: { endedAt: new Date() } });
        return token;
      },
    ],
    [
      'with a token of somebody who was deactivated',
      4401,
      async () => {
        const { administrator } = await app.build.school();
        await app.db.prisma.user.update({ where: { id: administrator.id }, data: { deactivatedAt: new Date() } });
        return (await app.token(administrator)).token;
      },
    ],
  ])('%s is closed with %i', async (_what, code, tokenOf) => {
    const token = await tokenOf();
    const socket = await openSocket(app.url);
    socket.send({ type: 'connection_init', ...(token === undefined ? {} : { payload: { authorization: `Bearer ${token}` } }) });
    expect((await socket.closed).code).toBe(code);
    const byHeader = await openSocket(app.url, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } });
    byHeader.send({ type: 'connection_init' });
    expect((await byHeader.closed).code).toBe(code);
  });

  it.each<[where: string, params: (token: string) => object, headers?: (token: string) => Record<string, string>]>([
    ['authorization', (token) => ({ authorization: `Bearer ${token}` })],
    ['Authorization', (token) => ({ Authorization: `bearer ${token}` })],
    ['AUTHORIZATION without Bearer', (token) => ({ AUTHORIZATION: token })],
    ['token', (token) => ({ token })],
    ['authToken', (token) => ({ authToken: token })],
    ['access_token', (token) => ({ access_token: token })],
    ['headers.Authorization', (token) => ({ headers: { Authorization: `Bearer ${token}` } })],
    ["the upgrade's header", () => ({}), (token) => ({ authorization: `Bearer ${token}` })],
    ['authorization, before the header', (token) => ({ authorization: token }), () => ({ authorization: 'Bearer no.such.token' })],
  ])('in %s is accepted', async (_where, params, headers) => {
    const { administrator } = await app.build.school();
    const { token } = await app.token(administrator);
    const socket = await openSocket(app.url, { headers: headers?.(token) ?? {} });
    socket.send({ type: 'connection_init', payload: params(token) });
    await socket.waitForMessage(({ type }) => type === 'connection_ack');
    expect((await socket.run({ query: viewer })).data).toEqual({ viewer: { id: app.id('User', administrator.id) } });
    socket.ws.terminate();
  });
});

describe('a token that expires on an open socket', () => {
  it('closes an idle socket with 4403', async () => {
    const { administrator } = await app.build.school();
    const socket = await openSignedIn(app.url, (await app.token(administrator, 2)).token);
    expect(await socket.closed).toEqual({ code: 4403, reason: 'Token expired' });
  });

  it('ends its streams with Ended, and then the socket', async () => {
    const { school, administrator } = await app.build.school();
    const socket = await openSignedIn(app.url, (await app.token(administrator, 2)).token);
    for (const id of ['1', '2'])
      socket.send({ type: 'subscribe', id, payload: { query: stream, variables: { id: app.id('School', school.id) } } });
    expect((await socket.closed).code).toBe(4403);
    for (const id of ['1', '2']) {
      const said = socket.messages.filter((message) => message.id === id);
      expect(said.map(({ type }) => type)).toEqual(['next', 'next', 'complete']);
      expect(said[1]!.payload.data.events).toMatchObject({ __typename: 'Ended', reason: 'TOKEN_EXPIRED' });
    }
  });

  it('leaves a later operation unanswered, so that the client sends it again', async () => {
    const { administrator } = await app.build.school();
    const { token } = await app.token(administrator, 1);
    const socket = await openSignedIn(app.url, token);
    await pause(expiryOf(token) - Date.now() + 5);
    for (let n = 0; n < 5; n += 1)
      if (socket.ws.readyState === WebSocket.OPEN) socket.send({ type: 'subscribe', id: `${n}`, payload: { query: viewer } });
    expect((await socket.closed).code).toBe(4403);
    expect(socket.messages.map(({ type }) => type)).toEqual(['connection_ack']);
  });

  it('leaves an operation unanswered, too, if its token expires before the actor is loaded', async () => {
    const { administrator } = await app.build.school();
    const { token } = await app.token(administrator, 2);
    const socket = await openSignedIn(app.url, token);
    // Sends until the token expires. So some operations arrive before the expiry and are handled after it.
    const stop = expiryOf(token) + 20;
    let sent = 0;
    for (; Date.now() < stop && socket.ws.readyState === WebSocket.OPEN; sent += 1) {
      if (socket.messages.filter(({ type }) => type === 'complete').length > sent - 40)
        socket.send({ type: 'subscribe', id: `${sent}`, payload: { query: viewer } });
      else sent -= 1;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect((await socket.closed).code).toBe(4403);
    expect(socket.messages.filter(({ type }) => type === 'error').map(({ payload }) => JSON.stringify(payload))).toEqual([]);
  });

  // The test takes a lock on one connection, and the embedded database has only one connection.
  it.skipIf(!process.env.TEST_DATABASE_URL)('lets a running change complete', async () => {
    const { school, administrator } = await app.build.school();
    const { token } = await app.token(administrator, 2);
    const socket = await openSignedIn(app.url, token);
    await pause(expiryOf(token) - Date.now() - 300);
    const lock = await app.db.pool.connect();
    await lock.query('begin; lock table subject in access exclusive mode');
    const answer = socket.run({
      query: 'mutation ($input: CreateSubjectInput!) { createSubject(input: $input) { __typename } }',
      variables: { input: { schoolId: app.id('School', school.id), name: 'Физика' } },
    });
    await pause(expiryOf(token) - Date.now() + 1200);
    expect(socket.ws.readyState).toBe(WebSocket.OPEN);
    await lock.query('rollback');
    lock.release();
    expect(await answer).toMatchObject({ codes: [], data: { createSubject: { __typename: 'Subject' } } });
    expect((await socket.closed).code).toBe(4403);
  });
});

describe('a token that expires while its operations wait', () => {
  /** A server whose reads wait while the gate is closed. Only reads of the actor do not wait. */
  let gated: SecondApp;
  let gate = Promise.resolve();
  let openGate = (): void => undefined;
  let actorsRead = 0;
  const closeGate = (): void => void (gate = new Promise((resolve) => (openGate = resolve)));
  const readsRow = '{ viewer { ... on User { surname } } }';
  beforeAll(async () => {
    const { reads } = app.db;
    const query: typeof reads.query = async (statement) => {
      const readsActor = 'name' in statement && statement.name?.startsWith('actor');
      if (!readsActor) await gate;
      const found = await reads.query(statement);
      if (readsActor) actorsRead += 1;
      return found as never;
    };
    gated = await startSecondApp(app, { db: { ...app.db, reads: { ...reads, query } } });
  });
  afterAll(() => gated.close());

  it('leaves an operation unanswered if it waits for others of its account until the token expires', async () => {
    const { administrator } = await app.build.school();
    const other = await openSignedIn(gated.url, (await app.token(administrator)).token);
    closeGate();
    const running = Array.from({ length: concurrency.perAccount }, (_, n) => other.run({ query: readsRow }, `${n}`));
    const { token } = await app.token(administrator, 2);
    const socket = await openSignedIn(gated.url, token);
    const before = actorsRead;
    socket.send({ type: 'subscribe', id: '1', payload: { query: readsRow } });
    await expect.poll(() => actorsRead).toBeGreaterThan(before);
    await pause(expiryOf(token) - Date.now() + 5);
    openGate();
    expect(await socket.closed).toEqual({ code: 4403, reason: 'Token expired' });
    expect(socket.messages.map(({ type }) => type)).toEqual(['connection_ack']);
    for (const { codes } of await Promise.all(running)) expect(codes).toEqual([]);
    other.ws.terminate();
  });

  it('counts operations that are left unanswered among the operations of the socket', async () => {
    const { administrator } = await app.build.school();
    const { token } = await app.token(administrator, 1);
    const socket = await openSignedIn(gated.url, token);
    closeGate();
    socket.send({ type: 'subscribe', id: 'running', payload: { query: readsRow } });
    await pause(expiryOf(token) - Date.now() + 5);
    for (let n = 0; n < 60; n += 1) {
      socket.send({ type: 'subscribe', id: `${n}`, payload: { query: viewer } });
      // An operation that the client has completed still counts against the limit until its execution ends.
      socket.send({ type: 'complete', id: `${n}` });
    }
    socket.send({ type: 'subscribe', id: 'last', payload: { query: viewer } });
    expect((await socket.waitForMessage(({ id }) => id === 'last')).payload).toMatchObject([
      { extensions: { code: 'TOO_MANY_OPERATIONS' } },
    ]);
    openGate();
    expect((await socket.closed).code).toBe(4403);
    expect(socket.messages.map(({ type, id }) => [type, id])).toEqual([
      ['connection_ack', undefined],
      ['error', 'last'],
      ['next', 'running'],
      ['complete', 'running'],
    ]);
  });
});

describe("graphql-ws's own client", () => {
  interface Closed {
    code: number;
  }
  function open(options: Partial<ClientOptions>): { client: Client; closes: number[] } {
    const closes: number[] = [];
    const client = createClient({
      url: app.url.replace('http', 'ws'),
      webSocketImpl: WebSocket,
      retryAttempts: 5,
      retryWait: () => pause(30),
      on: { closed: (event) => void closes.push((event as Closed).code) },
      ...options,
    });
    return { client, closes };
  }
  const once = (client: Client, payload: { query: string; variables?: Record<string, unknown> }) =>
    new Promise<unknown>((resolve, reject) => client.subscribe(payload, { next: resolve, error: reject, complete: () => undefined }));

  /**
   * Subscribes as docs/events.md advises: stores the last cursor in the variables. The client sends these variables
   * again when it reconnects.
   */
  function follow(client: Client, schoolId: string) {
    const variables: Record<string, unknown> = { id: schoolId };
    const seqs: number[] = [];
    const ends: string[] = [];
    const state = { closed: false, error: undefined as unknown };
    const subscribe = (): void =>
      void client.subscribe<{ events: { __typename: string; cursor?: string; reason?: string; event?: { seq: string } } }>(
        { query: stream, variables },
        {
          next({ data }) {
            const item = data!.events;
            variables.after = item.cursor ?? variables.after;
            if (item.event !== undefined) seqs.push(Number(item.event.seq));
            if (item.reason !== undefined) ends.push(item.reason);
            if (item.reason === 'TOKEN_EXPIRED') subscribe();
          },
          error: (error) => (state.error = error),
          complete: () => undefined,
        },
      );
    subscribe();
    return { seqs, ends, state, variables };
  }

  it.each([
    ['lazy', true],
    ['that connects at once', false],
  ])('%s reconnects with a fresh token after an expired one', async (_what, lazy) => {
    const { administrator } = await app.build.school();
    const tokens = [await expiredToken(administrator), (await app.token(administrator)).token];
    const { client, closes } = open({
      lazy,
      connectionParams: () => ({ authorization: `Bearer ${tokens.length > 1 ? tokens.shift()! : tokens[0]!}` }),
    });
    expect(await once(client, { query: viewer })).toMatchObject({ data: { viewer: { id: app.id('User', administrator.id) } } });
    expect(closes[0]).toBe(4403);
    await client.dispose();
  });

  it.each([
    ['lazy', { lazy: true }],
    ['that connects at once', { lazy: false }],
    ['that sends pings', { keepAlive: 300 }],
    ['that stays open', { lazyCloseTimeout: 60_000 }],
  ])('%s continues without gaps or repeats while its tokens expire', async (_what, options) => {
    const { school, administrator } = await app.build.school();
    const { client, closes } = open({
      ...options,
      connectionParams: async () => ({ authorization: `Bearer ${(await app.token(administrator, 2)).token}` }),
    });
    const followed = follow(client, app.id('School', school.id));
    await expect.poll(() => followed.variables.after).toBeDefined();
    const before = (await app.events(school.id)).length;
    for (let n = 0; n < 60 && followed.ends.length < 2; n += 1) {
      await app.as(administrator).createSubject({ schoolId: app.id('School', school.id), name: `Предмет ${n}` });
      await pause(100);
    }
    expect(followed.ends).toEqual(['TOKEN_EXPIRED', 'TOKEN_EXPIRED']);
    const due = (await app.events(school.id)).slice(before).map(({ seq }) => Number(seq));
    await expect.poll(() => followed.seqs.length).toBeGreaterThanOrEqual(due.length);
    expect(followed.seqs).toEqual(followed.seqs.toSorted((a, b) => a - b));
    expect(followed.seqs.filter((seq) => due.includes(seq))).toEqual(due);
    expect(followed.state.error).toBeUndefined();
    expect(closes.every((code) => [4403, 1000, 1005].includes(code))).toBe(true);
    await client.dispose();
  });

  it('that renews its token before expiry continues without a gap', async () => {
    const { school, administrator } = await app.build.school();
    const { client } = open({ connectionParams: async () => ({ authorization: `Bearer ${(await app.token(administrator)).token}` }) });
    const followed = follow(client, app.id('School', school.id));
    await expect.poll(() => followed.variables.after).toBeDefined();
    const before = (await app.events(school.id)).length;
    for (let n = 0; n < 9; n += 1) {
      await app.as(administrator).createSubject({ schoolId: app.id('School', school.id), name: `Предмет ${n}` });
      if (n % 3 === 2) client.terminate();
    }
    const due = async () =>
      (await app.events(school.id))
        .slice(before)
        .filter(({ type }) => type === 'subject.created')
        .map(({ seq }) => Number(seq));
    await expect
      .poll(async () => followed.seqs.filter((seq) => seq >= Math.min(...followed.seqs)).length >= (await due()).length)
      .toBe(true);
    expect(followed.seqs.filter((seq, n) => followed.seqs.indexOf(seq) !== n)).toEqual([]);
    expect(followed.seqs).toEqual(expect.arrayContaining(await due()));
    expect(followed.ends).toEqual([]);
    await client.dispose();
  });

  it('with a token that never changes gives up after its attempts', async () => {
    const { administrator } = await app.build.school();
    const { client, closes } = open({
      connectionParams: { authorization: `Bearer ${await expiredToken(administrator)}` },
      retryAttempts: 3,
    });
    await expect(once(client, { query: viewer })).rejects.toMatchObject({ code: 4403 });
    expect(closes).toEqual([4403, 4403, 4403, 4403]);
  });

  it.each(['an ended session', 'no session'])('with a token of %s gives up at once', async (what) => {
    const { administrator } = await app.build.school();
    const { token, sessionId } = await app.token(administrator);
    await app.db.prisma.session.update({ where: { id: sessionId }, data: { endedAt: new Date() } });
    const { client, closes } = open({ connectionParams: () => ({ token: what === 'no session' ? 'no.such.token' : token }) });
    await expect(once(client, { query: viewer })).rejects.toMatchObject({ code: 4401 });
    expect(closes).toEqual([4401]);
  });

  it('whose session ends gets the reason on its stream, and is not accepted again', async () => {
    const { school, administrator } = await app.build.school();
    const { token, sessionId } = await app.token(administrator);
    const { client, closes } = open({ connectionParams: () => ({ token }) });
    const followed = follow(client, app.id('School', school.id));
    await expect.poll(() => followed.variables.after).toBeDefined();
    await app.db.prisma.session.update({ where: { id: sessionId }, data: { endedAt: new Date() } });
    await expect.poll(() => followed.ends).toEqual(['SESSION_ENDED']);
    await expect(once(client, { query: viewer })).rejects.toBeDefined();
    expect(closes.at(-1)).not.toBe(4403);
    await client.dispose();
  });
});
