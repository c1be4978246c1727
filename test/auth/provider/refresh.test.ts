import { decodeJwt } from 'jose';
import * as openid from 'openid-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadActors } from '../../../src/auth/actors.ts';
import { hashCode } from '../../../src/auth/seal.ts';
import { Browser, discover, openAuthServer, signInWith, type AuthServer } from '../../support/auth-server.ts';

/** Refresh tokens: used once, used twice concurrently, retried after a lost response, and used by a thief. */

let server: AuthServer;
/** Simulates a second process on the same database. */
let second: AuthServer;
beforeAll(async () => {
  server = await openAuthServer();
  second = await openAuthServer({ PUBLIC_URL: server.url }, undefined, server.db);
});
afterAll(async () => {
  await second.close();
  await server.close();
});

async function signedIn() {
  const [person, client] = [await server.teacher(), await server.frontend()];
  return { person, client, ...(await signInWith(server, new Browser(server.url), client, person.signInName)) };
}

type SignedIn = Awaited<ReturnType<typeof signedIn>>;

const refused = expect.objectContaining({ error: 'invalid_grant' }) as unknown;

/** Moves the time at which the token was used into the past, so that no test waits. */
const later = (token: string, seconds: number) =>
  server.db.pool.query(`update oidc_payload set consumed_at = consumed_at - $2 * interval '1 second' where id_hash = $1`, [
    hashCode(token).toString('base64url'),
    seconds,
  ]);

async function isAlive(token: string): Promise<boolean> {
  const credential = await server.tokens.verifyAccessToken(token);
  const [actor] = await loadActors(server.db, [credential!]);
  return 'kind' in actor!;
}

async function expectEnded({ configuration, person, tokens }: SignedIn, ...refreshTokens: (string | undefined)[]) {
  for (const each of refreshTokens) await expect(openid.refreshTokenGrant(configuration, each!)).rejects.toEqual(refused);
  expect(await isAlive(tokens.access_token)).toBe(false);
  const events = await server.db.prisma.event.findMany({ where: { schoolId: person.schoolId, type: 'session.ended' } });
  expect(events.map(({ payload }) => payload)).toEqual([
    { schoolId: person.schoolId, userId: person.id, sessionId: decodeJwt(tokens.access_token).sid },
  ]);
}

describe('refresh tokens', () => {
  it('are always issued, and rotate with every use', async () => {
    const { configuration, tokens } = await signedIn();
    const next = await openid.refreshTokenGrant(configuration, tokens.refresh_token!);
    const third = await openid.refreshTokenGrant(configuration, next.refresh_token!);
    expect(new Set([tokens, next, third].map((each) => each.refresh_token)).size).toBe(3);
    expect(decodeJwt(third.access_token).sid).toBe(decodeJwt(tokens.access_token).sid);
  });

  it.each([2, 10])('used by %i requests concurrently return the same valid successor to all of them', async (count) => {
    const { configuration, tokens } = await signedIn();
    const all = await Promise.all(Array.from({ length: count }, () => openid.refreshTokenGrant(configuration, tokens.refresh_token!)));
    expect(new Set(all.map((each) => each.refresh_token)).size).toBe(1);
    expect(new Set(all.map((each) => each.access_token)).size).toBe(count);
    for (const { access_token } of all) expect(await isAlive(access_token)).toBe(true);
    expect((await openid.refreshTokenGrant(configuration, all[0]!.refresh_token!)).refresh_token).toBeDefined();
  });

  it('used concurrently at two processes return the same successor', async () => {
    const { client, tokens } = await signedIn();
    const ask = async (url: string) => {
      const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: tokens.refresh_token!, client_id: client.id });
      return (await (await fetch(new URL('/oidc/token', url), { method: 'POST', body })).json()) as { refresh_token?: string };
    };
    const both = await Promise.all([ask(server.url), ask(second.listening), ask(second.listening), ask(server.url)]);
    expect(both[0].refresh_token).toMatch(/^[\w-]{43}$/);
    expect(new Set(both.map((each) => each.refresh_token)).size).toBe(1);
  });

  it('sent again after a lost response return the same response', async () => {
    const { configuration, tokens } = await signedIn();
    const lost = await openid.refreshTokenGrant(configuration, tokens.refresh_token!);
    await later(tokens.refresh_token!, 8);
    const again = await openid.refreshTokenGrant(configuration, tokens.refresh_token!);
    expect(again.refresh_token).toBe(lost.refresh_token);
    expect((await openid.refreshTokenGrant(configuration, again.refresh_token!)).access_token).toBeDefined();
  });

  it('used again after the grace period end the session, and with it the newest token', async () => {
    const all = await signedIn();
    const next = await openid.refreshTokenGrant(all.configuration, all.tokens.refresh_token!);
    await later(all.tokens.refresh_token!, 11);
    await expectEnded(all, all.tokens.refresh_token, next.refresh_token);
  });

  it('used again after the use of the successor end the session, also within the grace period', async () => {
    const all = await signedIn();
    const next = await openid.refreshTokenGrant(all.configuration, all.tokens.refresh_token!);
    const third = await openid.refreshTokenGrant(all.configuration, next.refresh_token!);
    await expectEnded(all, all.tokens.refresh_token, next.refresh_token, third.refresh_token);
  });

  it('stolen and used within the grace period give the thief no separate chain of tokens', async () => {
    const all = await signedIn();
    const { refresh_token: mine } = await openid.refreshTokenGrant(all.configuration, all.tokens.refresh_token!);
    const { refresh_token: stolen } = await openid.refreshTokenGrant(all.configuration, all.tokens.refresh_token!);
    expect(stolen).toBe(mine);
    const { refresh_token: further } = await openid.refreshTokenGrant(all.configuration, stolen!);
    await later(stolen!, 11);
    await expectEnded(all, mine, further);
  });

  it('sent by another client return no token and end no session', async () => {
    const { configuration, tokens } = await signedIn();
    await openid.refreshTokenGrant(configuration, tokens.refresh_token!);
    const other = await discover(server, (await server.frontend()).id);
    await expect(openid.refreshTokenGrant(other, tokens.refresh_token!)).rejects.toEqual(refused);
    expect(await isAlive(tokens.access_token)).toBe(true);
  });

  it('of an ended session are refused, also within the grace period', async () => {
    const { configuration, tokens } = await signedIn();
    const next = await openid.refreshTokenGrant(configuration, tokens.refresh_token!);
    await openid.tokenRevocation(configuration, next.refresh_token!);
    for (const each of [tokens, next]) await expect(openid.refreshTokenGrant(configuration, each.refresh_token!)).rejects.toEqual(refused);
  });
});
