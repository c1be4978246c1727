import type pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { RequestError } from '../../../src/http/errors.ts';
import { Pipeline } from '../../../src/http/graphql/pipeline.ts';
import { openSfera, type Sfera } from '../../support/sfera.ts';
import { ask, json, openSignedIn, type Payload, type RawSocket, type Reply } from '../raw-http.ts';
import { eventsStream } from '../live/streams.ts';

/** Every operation passes the same steps: by the fast path, by Yoga and on a socket. */

let app: Sfera;
let token: string;
const variables: Record<string, string> = {};
let socket: RawSocket;
beforeAll(async () => {
  app = await openSfera();
  const { school, administrator } = await app.build.school();
  const { id } = await app.build.class({ schoolId: school.id });
  Object.assign(variables, { schoolId: app.id('School', school.id), classId: app.id('Class', id) });
  ({ token } = await app.token(administrator));
  socket = await openSignedIn(app.url, token);
});
afterEach(() => vi.restoreAllMocks());
afterAll(() => {
  socket.ws.terminate();
  return app.close();
});

const post = (payload: Payload, headers: Record<string, string> = {}): Promise<Reply> =>
  ask(app.url, { headers: json(token, headers), body: JSON.stringify(payload) });
/** Sends with `content-encoding`, so that Yoga handles the request instead of the fast path. */
const postToYoga = (payload: Payload) => post(payload, { 'content-encoding': 'identity' });
const overSse = (payload: Payload) => post(payload, { accept: 'text/event-stream' });

const operation = (query: string): Payload => ({ query, variables });
const query = operation('query ($classId: ID!) { node(id: $classId) { ... on Class { name } } }');
const subscription: Payload = operation(eventsStream);

const rule = (): never => {
  throw new RequestError('NEW_RULE', ['Новое правило.', 'A new rule.']);
};

describe('a rule that is added to the step', () => {
  const httpSteps = ['accept', 'readBody'] as const;
  const steps = ['findText', 'authenticate', 'readDocument', 'createContext', 'checkLimits', 'admit', 'takeAsOf', 'run'] as const;

  it.each([...httpSteps, ...steps])('%s holds for a query by the fast path and by Yoga', async (step) => {
    await post(query);
    vi.spyOn(Pipeline.prototype, step).mockImplementation(rule);
    const [byFastPath, byYoga] = [await post(query), await postToYoga(query)];
    expect([byFastPath.codes, byFastPath.data]).toEqual([['NEW_RULE'], undefined]);
    expect([byYoga.status, byYoga.text]).toEqual([byFastPath.status, byFastPath.text]);
  });

  it.each(steps)('%s holds for a query on a socket', async (step) => {
    vi.spyOn(Pipeline.prototype, step).mockImplementation(rule);
    expect(await socket.run(query)).toMatchObject({ codes: ['NEW_RULE'] });
  });

  it.each(steps.slice(0, 5))('%s holds for a subscription by SSE and on a socket', async (step) => {
    vi.spyOn(Pipeline.prototype, step).mockImplementation(rule);
    expect((await overSse(subscription)).codes).toEqual(['NEW_RULE']);
    expect((await socket.run(subscription)).codes).toEqual(['NEW_RULE']);
  });

  it('maskErrors holds for refused documents and for errors of resolvers, on all ways', async () => {
    const masked = new RequestError('MASKED', ['Скрыто.', 'Hidden.']);
    vi.spyOn(Pipeline.prototype, 'maskErrors').mockReturnValue([masked]);
    for (const payload of [
      operation('{ nothing }'),
      operation('{ node(id: "x") { ... on School { classes(first: 0) { edges { cursor } } } } schools(first: 0) { edges { cursor } } }'),
    ])
      for (const run of [post, postToYoga, (each: Payload) => socket.run(each)]) expect((await run(payload)).codes).toEqual(['MASKED']);
  });
});

type Read = (statement: { text: string }) => Promise<pg.QueryResult<pg.QueryResultRow>>;

const replaceReads = (read: Read) => vi.spyOn(app.db.reads, 'query').mockImplementation(read as never);

describe('a query', () => {
  const viewerAndClass = operation('query ($classId: ID!) { viewer { fullName } node(id: $classId) { ... on Class { name } } }');

  it('reads no row before the rights of its actor', async () => {
    await post(viewerAndClass);
    const read = app.db.reads.query.bind(app.db.reads) as Read;
    const tables: string[] = [];
    let isAnswered = false;
    let readEarly = 0;
    replaceReads(async (statement) => {
      tables.push(/from (session|"public"\."\w+")/.exec(statement.text)![1]!);
      if (tables.length > 1 && !isAnswered) readEarly += 1;
      const answer = await read(statement);
      isAnswered = true;
      return answer;
    });
    expect((await post(viewerAndClass)).errors).toBeUndefined();
    expect([tables[0], tables.slice(1).sort(), readEarly]).toEqual(['session', ['"public"."app_user"', '"public"."class"'], 0]);
  });

  it('reads nothing for an invalid token', async () => {
    const reads = vi.spyOn(app.db.reads, 'query');
    expect((await ask(app.url, { headers: json('no.such.token'), body: JSON.stringify(viewerAndClass) })).status).toBe(401);
    expect(reads).not.toHaveBeenCalled();
  });

  // Guards against an unhandled rejection, which would end the process.
  it('fails with 500 if its actor cannot be read, by the fast path and by Yoga', async () => {
    replaceReads(() => Promise.reject(new Error('no reader')));
    for (const headers of [{}, { 'content-encoding': 'identity' }] as Record<string, string>[]) {
      const response = await fetch(app.url, { method: 'POST', headers: json(token, headers), body: JSON.stringify(viewerAndClass) });
      expect([response.status, await response.json()]).toMatchObject([500, { errors: [{ extensions: { code: 'INTERNAL' } }] }]);
    }
  });
});
