import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { Agent, request, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startSecondApp, type SecondApp } from '../../support/second-app.ts';
import { openSfera, type Sfera } from '../../support/sfera.ts';
import { json, openSignedIn, openSocket, type RawSocket } from '../raw-http.ts';
import { factMs } from '../../support/limits.ts';

/** Long-lived connections: what happens when the server stops, and when a client does not read. */

const stream =
  'subscription ($id: ID!, $after: String) { events(schoolId: $id, after: $after) { __typename ... on Checkpoint { cursor } ... on EventNotice { cursor event { seq } } } }';
/** Selects some kilobytes for each event, so that the buffer of a client that does not read fills soon. */
const wide = stream.replace('event { seq }', `event { seq ${Array.from({ length: 28 }, (_, n) => `a${n}: ids`).join(' ')} }`);

/** Opens an event stream over HTTP. The client reads only on demand. */
function openStream(port: number, token: string, query: string, variables: object, method: 'POST' | 'GET' = 'POST') {
  const search = new URLSearchParams({ query, variables: JSON.stringify(variables) }).toString();
  return new Promise<IncomingMessage>((resolve, reject) => {
    const sent = request(
      {
        host: '127.0.0.1',
        port,
        path: method === 'GET' ? `/graphql?${search}` : '/graphql',
        method,
        agent: new Agent({ keepAlive: true }),
        headers: json(token, { accept: 'text/event-stream' }),
      },
      resolve,
    );
    sent.once('error', reject);
    sent.end(method === 'GET' ? undefined : JSON.stringify({ query, variables }));
  });
}

const itemsOf = (text: string) =>
  [...text.matchAll(/^data: (\{.*\})\n\n/gm)].map(
    ([, data]) =>
      Object.values((JSON.parse(data!) as { data: object }).data)[0] as { __typename: string; cursor: string; event?: { seq: string } },
  );

/** Reads a response until it ends or is aborted. */
async function readAll(
  response: IncomingMessage,
  onText: (text: string) => void = () => undefined,
): Promise<{ text: string; whole: boolean }> {
  let text = '';
  try {
    for await (const part of response) onText((text += (part as Buffer).toString()));
  } catch {
    // The connection was aborted.
  }
  return { text, whole: response.complete };
}

describe('a server that stops', () => {
  it('ends its streams so that clients reconnect, completes running operations, and leaves nothing behind', async () => {
    const resources = () =>
      Object.entries(count(process.getActiveResourcesInfo().filter((name) => !['Timeout', 'Immediate'].includes(name)))).sort();
    const listeners = () =>
      process
        .eventNames()
        .map((name) => [String(name), process.listenerCount(name)])
        .sort();
    const before = { resources: resources(), timers: timers(), listeners: listeners() };
    const app = await openSfera({ STOP_SECONDS: '300' });
    const { school, administrator } = await app.build.school();
    const id = app.id('School', school.id);
    const { token } = await app.token(administrator);
    const greeted = await openSignedIn(app.url, token);
    greeted.send({ type: 'subscribe', id: '1', payload: { query: stream, variables: { id } } });
    await greeted.waitForMessage(({ type }) => type === 'next');
    const silent = await openSocket(app.url);
    // This client reads nothing, not even the close frame.
    const pausedClient = await openSocket(app.url);
    pausedClient.ws.pause();
    const received = ['', ''];
    const streams = [await openStream(app.port, token, stream, { id }), await openStream(app.port, token, stream, { id }, 'GET')].map(
      (response, n) => readAll(response, (text) => (received[n] = text)),
    );
    await expect.poll(() => received.map((text) => itemsOf(text).length)).toEqual([1, 1]);
    expect(app.liveEvents.rights.stats().subscribers).toBe(3);
    // The test holds all connections of the database until the server is stopping, so the request below has to wait.
    const held = await Promise.all(Array.from({ length: app.db.pool.options.max }, () => app.db.pool.connect()));
    let begin = () => {};
    const begins = new Promise<void>((resolve) => (begin = resolve));
    subscribe('http.server.request.start', begin);
    const underWay = app.anonymous.send('query ($code: String!) { invitationPreview(code: $code) { schoolName } }', { code: 'x' });
    await begins;
    unsubscribe('http.server.request.start', begin);

    const begun = performance.now();
    const closed = app.close();
    expect(await greeted.closed).toEqual({ code: 1012, reason: 'Service restart' });
    expect(await silent.closed).toEqual({ code: 1012, reason: 'Service restart' });
    for (const client of held) client.release();
    expect((await underWay).data).toEqual({ invitationPreview: null });
    for (const { text } of await Promise.all(streams)) {
      expect(itemsOf(text).map(({ __typename }) => __typename)).toEqual(['Checkpoint']);
      expect(text).not.toContain('event: complete');
    }
    await closed;
    expect(performance.now() - begun).toBeLessThan(factMs);
    pausedClient.ws.terminate();

    await expect(fetch(app.url)).rejects.toThrow();
    expect(app.liveEvents.rights.stats().subscribers).toBe(0);
    expect(app.liveEvents.reader.stats().schools).toBe(0);
    expect(app.db.pool.totalCount).toBe(0);
    await expect.poll(resources).toEqual(before.resources);
    await expect.poll(timers).toBeLessThanOrEqual(before.timers);
    expect(listeners()).toEqual(before.listeners);
  });
});

const count = (names: string[]) => names.reduce<Record<string, number>>((all, name) => ({ ...all, [name]: (all[name] ?? 0) + 1 }), {});
const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

describe('a client that does not read', () => {
  let app: Sfera;
  /** A second HTTP server with the database of `app`, but with a shorter stall limit. */
  let quickApp: SecondApp;
  let token: string;
  const ends: Socket[] = [];
  const noteEnd = (message: unknown) => void ends.push((message as { socket: Socket }).socket);
  beforeAll(async () => {
    subscribe('net.server.socket', noteEnd);
    app = await openSfera();
    quickApp = await startSecondApp(app, { timeouts: { init: 300, stalled: 700 } });
  });
  afterAll(async () => {
    unsubscribe('net.server.socket', noteEnd);
    await quickApp.close();
    await app.close();
  });

  /**
   * Creates a school whose log has this many events. Returns the id of the school and the token of its administrator.
   */
  async function logged(events: number) {
    const { school, administrator } = await app.build.school();
    const payload = JSON.stringify({ schoolId: school.id, userId: administrator.id, classId: school.id });
    await app.db.pool.query(
      `insert into event (school_id, seq, type, topics, payload, actor, at)
       select $1, n, 'profile.updated', $2, $3::jsonb, 'operator', now() from generate_series(1, $4) n`,
      [school.id, [`school:${school.id}`], payload, events],
    );
    await app.db.pool.query('update event_head set seq = $2 where school_id = $1', [school.id, events]);
    ({ token } = await app.token(administrator));
    return {
      school,
      administrator,
      variables: { id: app.id('School', school.id), after: Buffer.from(`${school.id}:0`).toString('base64url') },
    };
  }
  const seqs = (items: { event?: { seq: string } }[]) => items.flatMap(({ event }) => (event === undefined ? [] : [Number(event.seq)]));
  const upTo = (last: number) => Array.from({ length: last }, (_, n) => n + 1);

  /** Waits until the server has destroyed `socket`. Returns the maximal number of its unsent bytes. */
  async function untilCut(socket: Socket): Promise<number> {
    let most = 0;
    const deadline = performance.now() + factMs;
    while (!socket.destroyed) {
      if (performance.now() > deadline) throw new Error('it was never cut');
      most = Math.max(most, socket.writableLength);
      await pause(5);
    }
    return most;
  }

  /**
   * Subscribes with the last cursor of the disconnected client. Returns the sequence numbers of the remaining events.
   */
  async function rest(administrator: { id: string }, variables: { id: string }, after: string, last: number) {
    const again = await app.as(administrator).listen(stream, { ...variables, after });
    await again.until(({ news }) => Number(news.at(-1)?.event.seq) === last);
    again.close();
    return seqs(again.news as []);
  }

  const events = 4000;

  it('is disconnected from its socket, needs little memory until then, and resumes with its cursor without a loss', async () => {
    const { administrator, variables } = await logged(events);
    const socket = await openSignedIn(quickApp.url, token);
    const end = ends.at(-1)!;
    socket.send({ type: 'subscribe', id: '1', payload: { query: wide, variables } });
    await socket.waitForMessage(({ type }) => type === 'next');
    socket.ws.pause();
    expect(await untilCut(end)).toBeLessThan(256 * 1024);
    socket.ws.resume();
    await socket.closed;
    const received = socket.messages
      .filter(({ type }) => type === 'next')
      .map(({ payload }) => payload.data.events as { cursor: string; event?: { seq: string } });
    expect(received.length).toBeGreaterThan(0);
    expect(received.length).toBeLessThan(events);
    expect([...seqs(received), ...(await rest(administrator, variables, received.at(-1)!.cursor, events))]).toEqual(upTo(events));
    await expect.poll(() => app.liveEvents.rights.stats().subscribers).toBe(0);
  });

  it('is disconnected from its event stream likewise', async () => {
    const { administrator, variables } = await logged(events);
    const response = await openStream(quickApp.port, token, wide, variables);
    const end = ends.at(-1)!;
    expect(await untilCut(end)).toBeLessThan(256 * 1024);
    const { text, whole } = await readAll(response);
    expect(whole).toBe(false);
    const received = itemsOf(text);
    expect(received.length).toBeLessThan(events);
    const after = received.at(-1)?.cursor ?? variables.after;
    expect([...seqs(received), ...(await rest(administrator, variables, after, events))]).toEqual(upTo(events));
    await expect.poll(() => app.liveEvents.rights.stats().subscribers).toBe(0);
  });

  it('but keeps sending operations is not read any more, signed in or not, and is disconnected', async () => {
    for (const open of [() => openSocket(app.url), () => openSignedIn(quickApp.url, token)]) {
      const opened = await open();
      const end = ends.at(-1)!;
      opened.ws.pause();
      const question = { type: 'ping', payload: { x: 'x'.repeat(60_000) } };
      for (let n = 0; n < 500; n += 1) opened.send(question);
      // The server stops reading, so most of the 30 MB stay with the client. With the short stall limit, the server
      // also disconnects the client. With the default limit, the connection stays open.
      if (end.localPort === quickApp.port) expect(await untilCut(end)).toBeLessThan(3 * 1024 * 1024);
      else {
        await expect.poll(() => end.isPaused()).toBe(true);
        expect(end.writableLength).toBeLessThan(3 * 1024 * 1024);
      }
      opened.ws.terminate();
    }
  });

  it('but reads a little now and then gets everything in order', async () => {
    const { variables } = await logged(3000);
    const socket = await openSignedIn(quickApp.url, token);
    socket.send({ type: 'subscribe', id: '1', payload: { query: wide, variables } });
    let stop = false;
    const slowly = (async () => {
      // A slow client: pauses 40 ms for every 2 ms of reading.
      while (!stop) {
        socket.ws.pause();
        await pause(40);
        socket.ws.resume();
        await pause(2);
      }
    })();
    const next = () =>
      socket.messages.filter(({ type }) => type === 'next').map(({ payload }) => payload.data.events as { event?: { seq: string } });
    await expect.poll(() => seqs(next()).length).toBe(3000);
    stop = true;
    await slowly;
    expect(seqs(next())).toEqual(upTo(3000));
    expect(socket.ws.readyState).toBe(socket.ws.OPEN);
    socket.ws.terminate();
  });

  it('because it is idle is not disconnected', async () => {
    const { administrator, school, variables } = await logged(1);
    const socket: RawSocket = await openSignedIn(quickApp.url, token);
    socket.send({ type: 'subscribe', id: '1', payload: { query: stream, variables } });
    const response = await openStream(quickApp.port, token, stream, variables);
    await socket.waitForMessage(({ payload }) => payload?.data?.events.event?.seq === '1');
    const other = await logged(events);
    const stalled = await openStream(quickApp.port, token, wide, other.variables);
    // Waits until the server disconnects the client that does not read. The two other connections have been idle for as
    // long, and must stay open.
    await untilCut(ends.at(-1)!);
    stalled.destroy();
    await app.as(administrator).createSubject({ schoolId: app.id('School', school.id), name: 'Физика' });
    await socket.waitForMessage(({ payload }) => payload?.data?.events.event?.seq === '2');
    expect(response.destroyed).toBe(false);
    response.destroy();
    socket.ws.terminate();
  });

  it('and sends no connection_init is disconnected in time', async () => {
    const socket = await openSocket(quickApp.url);
    expect(await socket.closed).toEqual({ code: 4408, reason: 'Connection initialisation timeout' });
  });
});
