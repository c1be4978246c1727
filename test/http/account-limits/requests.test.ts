import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { resultOf } from '../../../src/executor/executor.ts';
import { schema } from '../../../src/graphql/schema.ts';
import { concurrency, AccountLimits } from '../../../src/http/account-limits.ts';
import { createMask } from '../../../src/http/errors.ts';
import { Documents } from '../../../src/http/graphql/documents.ts';
import { Pipeline, type PipelineDeps } from '../../../src/http/graphql/pipeline.ts';
import { RequestContexts } from '../../../src/http/request-context.ts';
import { openSfera, type Sfera } from '../../support/sfera.ts';
import { ask, json, openSignedIn, overHttp, overSocket } from '../raw-http.ts';

/** The limits of accounts and addresses, tested over HTTP and sockets. */

describe('by HTTP and by a socket', () => {
  let app: Sfera;
  beforeAll(async () => void (app = await openSfera({ OPERATIONS_PER_MINUTE: '30', COST_PER_MINUTE: '100000' })));
  afterAll(() => app.close());

  const small = { query: '{ viewer { id } }' };
  const classes =
    'schools(first: 1) { edges { node { classes(first: 100) { edges { node { enrolments(first: 100) { edges { node { id } } } } } } } } }';

  it('operations past the limit of a minute are refused with the seconds to wait; other accounts and anonymous clients are not affected', async () => {
    const { administrator } = await app.build.school();
    const { administrator: other } = await app.build.school();
    const { token } = await app.token(administrator);
    const replies = await Promise.all(
      Array.from({ length: 29 }, () => ask(app.url, { headers: json(token), body: JSON.stringify(small) })),
    );
    expect(replies.flatMap(({ codes }) => codes)).toEqual([]);
    // Opening the socket uses up the 30th and last operation of this minute.
    const socket = await openSignedIn(app.url, token);
    expect((await socket.run(small)).codes).toEqual(['RATE_LIMITED']);
    expect(socket.messages.at(-1)!.type).toBe('error');
    socket.ws.terminate();
    const refused = await ask(app.url, {
      headers: json(token, { accept: 'application/graphql-response+json' }),
      body: JSON.stringify(small),
    });
    expect([refused.status, refused.codes]).toEqual([429, ['RATE_LIMITED']]);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect(Number(refused.headers['retry-after'])).toBeLessThanOrEqual(65);
    expect((await overHttp(app.url, (await app.token(other)).token, small)).codes).toEqual([]);
    expect((await overHttp(app.url, '', { query: '{ __typename }' })).codes).toEqual([]);
  });

  it('a socket that is opened past the limit is closed with a code after which graphql-ws reconnects', async () => {
    const { administrator } = await app.build.school();
    const { token } = await app.token(administrator);
    await Promise.all(Array.from({ length: 30 }, () => overHttp(app.url, token, small)));
    await expect(openSignedIn(app.url, token)).rejects.toThrow('closed with 1013');
  });

  it('operations past the cost budget of a minute are refused over both transports, changes too', async () => {
    const { school, administrator } = await app.build.school();
    const { token } = await app.token(administrator);
    for (const over of [overHttp, overSocket]) expect((await over(app.url, token, { query: `{ ${classes} }` })).codes).toEqual([]);
    // Each operation reserves its cost. Fourteen concurrent operations exceed the budget, so the server refuses some of
    // them.
    const all = await Promise.all(Array.from({ length: 14 }, () => overHttp(app.url, token, { query: `{ a: ${classes} }` })));
    const codes = all.map(({ codes: [code] }) => code);
    expect(codes.filter((code) => code === undefined).length).toBeGreaterThan(0);
    expect(codes.filter((code) => code === 'RATE_LIMITED').length).toBeGreaterThan(0);
    expect(
      (
        await overHttp(app.url, token, {
          query: `mutation ($input: CreateSubjectInput!) { createSubject(input: $input) { __typename } }`,
          variables: { input: { schoolId: app.id('School', school.id), name: 'Физика' } },
        })
      ).codes,
    ).toEqual([]);
  });

  it('requests count once if the fast path passes them to Yoga, and if their session has ended', async () => {
    // This address may send 30 requests, and a test above sent one. These 15 would exceed the limit if the server
    // counted them twice.
    for (let n = 0; n < 15; n += 1)
      expect((await overHttp(app.url, '', { query: `query A${n} { __typename } query B${n} { __typename }` })).codes).toEqual([
        'OPERATION_RESOLUTION_FAILURE',
      ]);
    const { administrator: ended } = await app.build.school();
    const { token: revoked, sessionId } = await app.token(ended);
    await app.db.prisma.session.update({ where: { id: sessionId }, data: { endedAt: new Date() } });
    for (let n = 0; n < 30; n += 1) expect((await overHttp(app.url, revoked, small)).codes).toEqual(['UNAUTHENTICATED']);
    expect((await overHttp(app.url, revoked, small)).codes).toEqual(['RATE_LIMITED']);
  });

  it('requests without credentials count for their address', async () => {
    const replies = await Promise.all(Array.from({ length: 40 }, () => overHttp(app.url, '', { query: '{ __typename }' })));
    const codes = replies.flatMap((reply) => reply.codes);
    expect(new Set(codes)).toEqual(new Set(['RATE_LIMITED']));
    expect(codes.length).toBeGreaterThanOrEqual(10);
  });
});

describe('heavy readers of one account', () => {
  let app: Sfera;
  beforeAll(async () => void (app = await openSfera()));
  afterAll(() => app.close());

  it('are executed one at a time, and a small read of another account is answered before them', async () => {
    const { school, administrator } = await app.build.school();
    const { administrator: other } = await app.build.school();
    const [{ token }, { token: light }] = [await app.token(administrator), await app.token(other)];
    for (let n = 0; n < 3; n += 1) {
      const { id: classId } = await app.build.class({ schoolId: school.id });
      for (let k = 0; k < 5; k += 1) await app.build.student({ classId });
    }
    const heavy = `{ schools(first: 1) { edges { node { classes(first: 100) { edges { node { enrolments(first: 100) { edges { node { student { fullName } } } } } } } } } } }`;
    const order: string[] = [];
    const reads = Array.from({ length: 12 }, (_, n) =>
      overHttp(app.url, token, { query: heavy }).then(({ codes }) => void order.push(`heavy ${n} ${codes.join()}`)),
    );
    await overHttp(app.url, light, { query: '{ viewer { id } }' }).then(({ codes }) => void order.push(`light ${codes.join()}`));
    await Promise.all(reads);
    expect(order.filter((entry) => entry.endsWith(' ')).length).toBe(13);
    expect(order.indexOf('light ')).toBeLessThan(6);
  });

  it('whose session ends while they wait are not executed with the rights from their start', async () => {
    const { administrator } = await app.build.school();
    const { token, sessionId } = await app.token(administrator);
    const limits = new AccountLimits(app.config);
    const metrics = { operations: { inc: vi.fn() }, duration: { observe: vi.fn() } };
    const contexts = new RequestContexts(app, limits);
    const pipeline = new Pipeline({ contexts, documents: new Documents(), mask: createMask(app.log), metrics } as unknown as PipelineDeps);
    const envelope = { requestInfo: { authorization: `Bearer ${token}`, acceptLanguage: null, requestId: null, address: null } };
    const { document } = await pipeline.readDocument('{ schools { edges { node { name } } } }', envelope);
    const contextValue = await pipeline.createContext(envelope, null);
    const running = Array.from({ length: concurrency.perAccount }, () => limits.of(administrator.id).admit(1) as () => void);
    const execute = () => pipeline.execute({ schema, document, contextValue });
    const first = execute();
    running[0]!();
    expect(resultOf(await first).data).toMatchObject({ schools: { edges: [{}] } });
    running[0] = limits.of(administrator.id).admit(1) as () => void;
    const second = execute();
    await app.db.pool.query('update session set ended_at = now() where id = $1', [sessionId]);
    running[0]();
    expect(await second).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] });
  });
});
