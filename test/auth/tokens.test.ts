import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, importJWK, SignJWT, UnsecuredJWT, type CryptoKey, type JWTPayload } from 'jose';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { loadActors } from '../../src/auth/actors.ts';
import { Tokens } from '../../src/auth/tokens.ts';
import { openAuthServer, type AuthServer } from '../support/auth-server.ts';
import { until } from '../support/until.ts';

const userId = '01a20ae1-0f2b-7508-868f-ccbc6197e398';
const sessionId = '01a20ae1-0f79-718f-914a-7b0bde828669';
const issuer = 'https://broker.example';
const audience = 'sfera';

let server: AuthServer;
let jwks: Server;
let broker: CryptoKey;
beforeAll(async () => {
  const pair = await generateKeyPair('ES256');
  broker = pair.privateKey;
  const keys = [{ ...(await exportJWK(pair.publicKey)), kid: 'broker', alg: 'ES256' }];
  jwks = createServer((_req, res) => res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ keys })));
  await new Promise<void>((resolve) => jwks.listen(0, '127.0.0.1', resolve));
  const jwksUri = `http://127.0.0.1:${(jwks.address() as AddressInfo).port}/jwks`;
  server = await openAuthServer({ TRUSTED_ISSUERS: JSON.stringify([{ issuer, audience, jwksUri }]) });
});
afterAll(async () => {
  await server.close();
  jwks.closeAllConnections();
  await new Promise((resolve) => jwks.close(resolve));
});

const now = () => Math.floor(Date.now() / 1000);
const own = (): JWTPayload => ({
  iss: server.url,
  aud: `${server.url}/graphql`,
  sub: userId,
  sid: sessionId,
  client_id: 'tests',
  iat: now(),
  exp: now() + 60,
});

async function signed(payload: JWTPayload, header: object = {}, key?: CryptoKey | Uint8Array): Promise<string> {
  const newest = server.keys.jwks[0]!;
  return new SignJWT(payload)
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: newest.kid!, ...header })
    .sign(key ?? (await importJWK(newest, 'ES256')));
}

describe('a token of this server', () => {
  it('is accepted as it was issued', async () => {
    const token = await server.tokens.issueAccessToken({ userId, sessionId, clientId: 'tests' }, 30);
    const credential = await server.tokens.verifyAccessToken(token);
    expect(credential).toEqual({ kind: 'user', userId, sessionId, clientId: 'tests', expiresAt: expect.closeTo(now() + 30, -1) as number });
    expect(await server.tokens.verifyAccessToken(await signed(own()))).toMatchObject({ userId, sessionId });
  });

  it('is verified once, and refused as soon as it has expired', async () => {
    const verify = vi.spyOn(crypto.subtle, 'verify');
    const token = await server.tokens.issueAccessToken({ userId, sessionId, clientId: 'tests' }, 2);
    const first = await server.tokens.verifyAccessToken(token);
    expect(await server.tokens.verifyAccessToken(token)).toEqual(first);
    expect(verify).toHaveBeenCalledTimes(1);
    // A token that differs only in its last character is a different token.
    const other = token.slice(0, -1) + (token.endsWith('A') ? 'Q' : 'A');
    expect(await server.tokens.verifyAccessToken(other)).toBeUndefined();
    verify.mockRestore();
    vi.useFakeTimers({ now: Date.now() + 3000, toFake: ['Date'] });
    expect(await server.tokens.verifyAccessToken(token)).toBeUndefined();
    vi.useRealTimers();
  });

  const publicBytes = () => Buffer.from(JSON.stringify(server.keys.jwks[0]));
  it.each<[string, () => Promise<string>]>([
    ['nothing', async () => ''],
    ['garbage', async () => 'not.a.token'],
    ['no signature', async () => new UnsecuredJWT(own()).encode()],
    ['a signature cut off', async () => (await signed(own())).replace(/\.[^.]*$/, '.')],
    ['another key', async () => signed(own(), {}, (await generateKeyPair('ES256')).privateKey)],
    ['an unknown key id', async () => signed(own(), { kid: 'other' })],
    ['a symmetric algorithm', async () => signed(own(), { alg: 'HS256' }, publicBytes())],
    ['no expiry', async () => signed({ ...own(), exp: undefined })],
    ['expired', async () => signed({ ...own(), exp: now() - 1 })],
    ['another audience', async () => signed({ ...own(), aud: 'https://elsewhere.example' })],
    ['no audience', async () => signed({ ...own(), aud: undefined })],
    ['another issuer', async () => signed({ ...own(), iss: 'https://elsewhere.example' })],
    ['no issuer', async () => signed({ ...own(), iss: undefined })],
    ['another type', async () => signed(own(), { typ: 'JWT' })],
    ['no session', async () => signed({ ...own(), sid: undefined })],
    ['a session that is no id', async () => signed({ ...own(), sid: "' or 1=1" })],
    ['no client', async () => signed({ ...own(), client_id: undefined })],
    ['our key in the name of an outside issuer', async () => signed({ ...own(), iss: issuer, aud: audience })],
  ])('is refused with %s', async (_what, make) => {
    expect(await server.tokens.verifyAccessToken(await make())).toBeUndefined();
  });
});

describe('a token whose key cannot be looked up', () => {
  it('is UNAVAILABLE if the database fails, and the next request looks the key up again', async () => {
    const token = await signed(own(), { kid: 'made a moment ago' });
    const failing = vi.spyOn(server.db.pool, 'query').mockRejectedValue(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }));
    vi.useFakeTimers({ now: Date.now() + 60_000, toFake: ['Date'] });
    await expect(Promise.resolve(server.tokens.verifyAccessToken(token))).rejects.toThrow();
    expect(failing).toHaveBeenCalled();
    failing.mockRestore();
    const looking = vi.spyOn(server.db.pool, 'query');
    expect(await server.tokens.verifyAccessToken(token)).toBeUndefined();
    expect(looking).toHaveBeenCalledTimes(1);
    looking.mockRestore();
    vi.useRealTimers();
  });

  it.each<[string, (response: import('node:http').ServerResponse) => void]>([
    ['is not there', (response) => void response.destroy()],
    ['answers with an error', (response) => void response.writeHead(503).end()],
    ['answers with a page', (response) => void response.writeHead(200).end('<html>')],
    ['answers with something else', (response) => void response.writeHead(200).end('{"status":"ok"}')],
  ])('is UNAVAILABLE if its issuer %s', async (_how, answer) => {
    const broken = createServer((_request, response) => answer(response));
    await new Promise<void>((resolve) => broken.listen(0, '127.0.0.1', resolve));
    const jwksUri = `http://127.0.0.1:${(broken.address() as AddressInfo).port}/jwks`;
    const tokens = new Tokens({ ...server, config: { ...server.config, trustedIssuers: [{ issuer, audience, jwksUri }] } });
    const token = await signed(
      { iss: issuer, aud: audience, sub: 'esia-1', iat: now(), exp: now() + 60 },
      { kid: 'broker', typ: 'JWT' },
      broker,
    );
    await expect(Promise.resolve(tokens.verifyAccessToken(token))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    broken.closeAllConnections();
    await new Promise((resolve) => broken.close(resolve));
  });
});

describe('a token of an outside issuer', () => {
  const outside = (more: JWTPayload = {}, header: object = {}, key: CryptoKey | Uint8Array = broker) =>
    signed(
      { iss: issuer, aud: audience, sub: 'esia-1', iat: now(), exp: now() + 60, ...more },
      { kid: 'broker', typ: 'JWT', ...header },
      key,
    );
  const known = async (subject: string) => {
    const user = await server.build.user();
    await server.db.prisma.userIdentity.create({ data: { issuer, subject, userId: user.id } });
    return user;
  };
  const loaded = async (token: string) => {
    const credential = await server.tokens.verifyAccessToken(token);
    return credential === undefined ? undefined : { credential, actor: (await loadActors(server.db, [credential]))[0] };
  };

  it('belongs to the person bound to its issuer and subject, with one listed session', async () => {
    const user = await known('esia-1');
    const [first, second] = await Promise.all([outside(), outside()].map(async (token) => loaded(await token)));
    expect(first).toMatchObject({
      credential: { kind: 'user', userId: user.id, clientId: issuer },
      actor: { kind: 'user', userId: user.id },
    });
    expect(second!.credential).toMatchObject({ sessionId: (first!.credential as { sessionId: string }).sessionId });
    expect(await server.db.prisma.session.count({ where: { userId: user.id } })).toBe(1);
  });

  it('ends with its session; a token issued later starts a new session', async () => {
    const user = await known('esia-2');
    const token = await outside({ sub: 'esia-2', iat: now() - 10 });
    await loaded(token);
    await server.db.prisma.session.updateMany({ where: { userId: user.id }, data: { endedAt: new Date(Date.now() - 5000) } });
    expect((await loaded(token))!.actor).toEqual({ ended: 'SESSION_ENDED' });
    expect((await loaded(await outside({ sub: 'esia-2' })))!.actor).toMatchObject({ kind: 'user' });
    expect((await loaded(await outside({ sub: 'esia-2', iat: now() - 10 })))!.actor).toMatchObject({ kind: 'user' });
  });

  it.each<[string, () => Promise<string>]>([
    ['a person who is not known here', () => outside({ sub: 'nobody' })],
    ['another audience', () => outside({ aud: 'other' })],
    ['no expiry', () => outside({ exp: undefined })],
    ['expired', () => outside({ exp: now() - 1 })],
    ['another key', async () => outside({}, {}, (await generateKeyPair('ES256')).privateKey)],
    ['a symmetric algorithm', () => outside({}, { alg: 'HS256' }, Buffer.from('a key that everybody has, 32 byte'))],
    ['an issuer that is not trusted', () => outside({ iss: 'https://broker.example.evil' })],
    [
      'the issuer’s key in our name',
      () => outside({ iss: server.url, aud: `${server.url}/graphql`, sub: userId, sid: sessionId, client_id: 'tests' }, { typ: 'at+jwt' }),
    ],
  ])('is refused with %s', async (_what, make) => {
    expect(await server.tokens.verifyAccessToken(await make())).toBeUndefined();
  });
});

describe('an issuer that goes down', () => {
  const stale = 11 * 60_000;
  type Answer = (response: import('node:http').ServerResponse) => void;

  /** Starts a real issuer whose answer a test can change. Counts fetches and warnings. */
  async function openIssuer() {
    const { privateKey, publicKey } = await generateKeyPair('ES256');
    const published = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'first', alg: 'ES256' }] });
    const up: Answer = (response) => void response.writeHead(200, { 'content-type': 'application/json' }).end(published);
    let answer = up;
    let fetches = 0;
    const http = createServer((_request, response) => {
      fetches += 1;
      answer(response);
    });
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    const name = `https://${(http.address() as AddressInfo).port}.example`;
    const jwksUri = `http://127.0.0.1:${(http.address() as AddressInfo).port}/jwks`;
    const warn = vi.fn();
    const log = { debug: () => undefined, warn } as unknown as AuthServer['log'];
    const tokens = new Tokens({ ...server, log, config: { ...server.config, trustedIssuers: [{ issuer: name, audience, jwksUri }] } });
    const user = await server.build.user();
    await server.db.prisma.userIdentity.create({ data: { issuer: name, subject: 'esia-9', userId: user.id } });
    return {
      warn,
      user,
      fetches: () => fetches,
      answers: (next: Answer | 'up') => void (answer = next === 'up' ? up : next),
      verify: (token: string) => Promise.resolve(tokens.verifyAccessToken(token)),
      token: (kid = 'first', key: CryptoKey = privateKey) =>
        signed({ iss: name, aud: audience, sub: 'esia-9', iat: now(), exp: now() + 7200 }, { kid, typ: 'JWT' }, key),
      async close() {
        vi.useRealTimers();
        http.closeAllConnections();
        await new Promise((resolve) => http.close(resolve));
      },
    };
  }
  const pass = (ms: number) => vi.useFakeTimers({ now: Date.now() + ms, toFake: ['Date'] });

  it.each<[string, Answer]>([
    ['closes the connection', (response) => void response.destroy()],
    ['answers with an error', (response) => void response.writeHead(503).end()],
    ['answers with no keys', (response) => void response.writeHead(200).end('{"status":"ok"}')],
  ])('and %s: its last keys still verify tokens, the server retries after a pause and logs one line', async (_how, down) => {
    const outside = await openIssuer();
    const token = await outside.token();
    expect(await outside.verify(token)).toMatchObject({ userId: outside.user.id });
    outside.answers(down);
    pass(stale);
    const many = await Promise.all(Array.from({ length: 10 }, () => outside.verify(token)));
    for (const credential of many) expect(credential).toMatchObject({ userId: outside.user.id });
    const forged = await outside.token('first', (await generateKeyPair('ES256')).privateKey);
    for (let n = 0; n < 5; n++) expect(await outside.verify(forged)).toBeUndefined();
    expect(outside.fetches()).toBe(2);
    expect(outside.warn).toHaveBeenCalledTimes(1);
    pass(60_000);
    expect(await outside.verify(token)).toMatchObject({ userId: outside.user.id });
    expect([outside.fetches(), outside.warn.mock.calls.length]).toEqual([3, 2]);
    outside.answers('up');
    pass(60_000);
    expect(await outside.verify(token)).toMatchObject({ userId: outside.user.id });
    expect(await outside.verify(token)).toMatchObject({ userId: outside.user.id });
    expect([outside.fetches(), outside.warn.mock.calls.length]).toEqual([4, 2]);
    await outside.close();
  });

  it('is not asked for every token with an unknown key, nor at every request before its first response', async () => {
    const outside = await openIssuer();
    outside.answers((response) => void response.destroy());
    const token = await outside.token();
    for (let n = 0; n < 5; n++) await expect(outside.verify(token)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect([outside.fetches(), outside.warn.mock.calls.length]).toEqual([1, 1]);
    outside.answers('up');
    pass(60_000);
    expect(await outside.verify(token)).toMatchObject({ userId: outside.user.id });
    outside.answers((response) => void response.destroy());
    pass(60_000);
    const later = await outside.token('second', (await generateKeyPair('ES256')).privateKey);
    // The issuer does not respond, but it may have published the second key. So the token may be valid.
    for (let n = 0; n < 5; n++) await expect(outside.verify(later)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect([outside.fetches(), outside.warn.mock.calls.length]).toEqual([3, 2]);
    expect(await outside.verify(token)).toMatchObject({ userId: outside.user.id });
    await outside.close();
  });

  it('makes only one request wait if it hangs', async () => {
    const outside = await openIssuer();
    const token = await outside.token();
    await outside.verify(token);
    outside.answers((response) => void response.destroy());
    pass(stale);
    await outside.verify(token);
    const held: import('node:http').ServerResponse[] = [];
    outside.answers((response) => void held.push(response));
    pass(60_000);
    const waiting = outside.verify(token);
    await until(() => expect(held).toHaveLength(1));
    expect(await outside.verify(token)).toMatchObject({ userId: outside.user.id });
    held[0]!.destroy();
    expect(await waiting).toMatchObject({ userId: outside.user.id });
    await outside.close();
  });
});
