import { randomUUID } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import * as openid from 'openid-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadActors } from '../../src/auth/actors.ts';
import { deleteExpired } from '../../src/auth/adapter.ts';
import { createClient, endClient } from '../../src/domain/clients.ts';
import { mutate } from '../../src/domain/context.ts';
import { endSession, endSessionsOfUser } from '../../src/domain/sessions.ts';
import { contextFor } from '../../src/http/request-context.ts';
import { Browser, discover, openAuthServer, password, signInWith, type AuthServer } from '../support/auth-server.ts';

let server: AuthServer;
beforeAll(async () => void (server = await openAuthServer()));
afterAll(() => server.close());

const nowhere = { acceptLanguage: null, requestId: null, address: null };

async function actorOf(token: string) {
  const credential = await server.tokens.verifyAccessToken(token);
  if (credential === undefined) throw new Error('the token was refused');
  const [actor] = await loadActors(server.db, [credential]);
  return { credential, actor: actor! };
}

async function signedIn(more?: Record<string, string>) {
  const [person, client, browser] = [await server.teacher(), await server.frontend(), new Browser(server.url, { 'user-agent': firefox })];
  return { person, client, browser, ...(await signInWith(server, browser, client, person.signInName, more)) };
}

const firefox = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0';
const refused = (error: string) => expect.objectContaining({ error }) as unknown;
const eventsOf = (schoolId: string) => server.db.prisma.event.findMany({ where: { schoolId, type: 'session.ended' } });

describe('code with PKCE', () => {
  it('gives a token that names the person, the session and the client', async () => {
    const { person, client, tokens } = await signedIn();
    const { credential, actor } = await actorOf(tokens.access_token);
    expect(credential).toMatchObject({ kind: 'user', userId: person.id, clientId: client.id });
    expect(actor).toMatchObject({ kind: 'user', userId: person.id, grants: [{ schoolId: person.schoolId, role: 'TEACHER' }] });
    expect(decodeProtectedHeader(tokens.access_token)).toMatchObject({ alg: 'ES256', typ: 'at+jwt' });
    const { aud, iss, exp, iat } = decodeJwt(tokens.access_token);
    expect({ aud, iss, seconds: exp! - iat! }).toEqual({ aud: `${server.url}/graphql`, iss: server.url, seconds: 600 });
    expect(tokens.claims()).toMatchObject({ sub: person.id, family_name: 'Петрова' });
    const session = await server.db.prisma.session.findUniqueOrThrow({ where: { id: (credential as { sessionId: string }).sessionId } });
    expect(session).toMatchObject({ userId: person.id, clientId: client.id, device: 'Firefox, Linux', endedAt: null });
  });

  it('is refused without PKCE, with a plain challenge, and with another redirect address', async () => {
    const client = await server.frontend();
    const ask = async (more: Record<string, string>) => {
      const query = new URLSearchParams({
        client_id: client.id,
        redirect_uri: client.redirectUri,
        response_type: 'code',
        scope: 'openid',
        ...more,
      });
      return new Browser(server.url).open(`/oidc/auth?${query.toString()}`);
    };
    for (const more of [{}, { code_challenge: 'a'.repeat(43), code_challenge_method: 'plain' }] as Record<string, string>[])
      expect(new URL((await ask(more)).location!).searchParams.get('error')).toBe('invalid_request');
    const elsewhere = await ask({
      redirect_uri: 'https://elsewhere.example/',
      code_challenge: 'a'.repeat(43),
      code_challenge_method: 'S256',
    });
    expect([elsewhere.status, elsewhere.location]).toEqual([400, undefined]);
  });

  it('is refused without an internal error if a parameter contains what the database cannot store', async () => {
    const client = await server.frontend();
    const right = {
      client_id: client.id,
      redirect_uri: client.redirectUri,
      response_type: 'code',
      scope: 'openid',
      code_challenge: 'a'.repeat(43),
      code_challenge_method: 'S256',
    };
    const ask = (more: Record<string, string>) =>
      new Browser(server.url).open(`/oidc/auth?${new URLSearchParams({ ...right, ...more }).toString()}`);
    for (const more of [
      { state: 'a\0' },
      { nonce: '\0' },
      { login_hint: 'a\0b' },
      { client_id: '\0' },
      { client_id: `${client.id}\0` },
    ] as Record<string, string>[]) {
      const { status, location } = await ask(more);
      expect(status, JSON.stringify(more)).toBeLessThan(500);
      if (location !== undefined) expect(new URL(location).searchParams.get('error'), JSON.stringify(more)).toBe('invalid_request');
    }
    expect((await ask({ state: '\\u0000 \u202e👩‍🏫' })).status).toBe(200);
    for (const body of [
      { grant_type: 'authorization_code', code: '\0', client_id: '\0' },
      { grant_type: 'refresh_token', refresh_token: '\0', client_id: client.id },
      { token: '\0', client_id: client.id },
    ] as Record<string, string>[]) {
      const response = await fetch(`${server.url}/oidc/${'token' in body ? 'token/revocation' : 'token'}`, {
        method: 'POST',
        body: new URLSearchParams(body),
      });
      expect(response.status, JSON.stringify(body)).toBeLessThan(500);
    }
  });

  it('issues no token for another resource', async () => {
    await expect(signedIn({ resource: 'https://elsewhere.example/' })).rejects.toThrow();
  });

  it('does not take a code twice: the session ends', async () => {
    const { configuration, tokens, callback, pkceCodeVerifier, state, person } = await signedIn();
    const again = openid.authorizationCodeGrant(configuration, callback, { pkceCodeVerifier, expectedState: state });
    await expect(again).rejects.toEqual(refused('invalid_grant'));
    expect((await actorOf(tokens.access_token)).actor).toEqual({ ended: 'SESSION_ENDED' });
    expect(await eventsOf(person.schoolId)).toHaveLength(1);
  });

  it('remembers the browser, and gives each client its own session', async () => {
    const { person, browser, tokens } = await signedIn();
    const other = await signInWith(server, browser, await server.frontend(), person.signInName);
    expect(other.askedForPassword).toBe(false);
    expect(decodeJwt(other.tokens.access_token).sid).not.toBe(decodeJwt(tokens.access_token).sid);
  });

  it('starts no session before the password if the client requests it again', async () => {
    const { person, browser } = await signedIn();
    const client = await server.frontend();
    const before = await server.db.prisma.session.count({ where: { userId: person.id } });
    const query = {
      client_id: client.id,
      redirect_uri: client.redirectUri,
      response_type: 'code',
      scope: 'openid',
      prompt: 'login',
      code_challenge: 'a'.repeat(43),
      code_challenge_method: 'S256',
    };
    const seen = await browser.open(`/oidc/auth?${new URLSearchParams(query).toString()}`);
    expect(seen.text).toContain('name="password"');
    expect(await server.db.prisma.session.count({ where: { userId: person.id } })).toBe(before);
    const again = await browser.submit(seen, { signInName: person.signInName, password });
    expect(again.location).toContain('code=');
  });
});

describe('a sign-in', () => {
  it('sends the person an event with the session that they can end', async () => {
    const { person, tokens } = await signedIn();
    const told = await server.db.prisma.event.findMany({ where: { schoolId: person.schoolId, type: 'session.started' } });
    expect(told).toMatchObject([
      {
        payload: { schoolId: person.schoolId, userId: person.id, sessionId: decodeJwt(tokens.access_token).sid },
        topics: [`user:${person.id}`],
      },
    ]);
  });
});

describe('refresh tokens', () => {
  it('of an ended session are refused, and the browser is asked for the password again', async () => {
    const { configuration, tokens, person, client, browser } = await signedIn();
    const { credential, actor } = await actorOf(tokens.access_token);
    if (!('kind' in actor)) throw new Error('ended');
    await endSession(contextFor(server, actor, nowhere), { sessionId: (credential as { sessionId: string }).sessionId });
    expect((await actorOf(tokens.access_token)).actor).toEqual({ ended: 'SESSION_ENDED' });
    await expect(openid.refreshTokenGrant(configuration, tokens.refresh_token!)).rejects.toEqual(refused('invalid_grant'));
    const { grantId } = await server.db.prisma.session.findUniqueOrThrow({
      where: { id: (credential as { sessionId: string }).sessionId },
    });
    expect(await server.db.prisma.oidcPayload.count({ where: { grantId } })).toBe(0);
    expect((await signInWith(server, browser, client, person.signInName)).askedForPassword).toBe(true);
    expect((await signInWith(server, browser, client, person.signInName)).askedForPassword).toBe(false);
  });

  it('of a deactivated person are refused, and the browser has to sign in again', async () => {
    const { configuration, tokens, person, client, browser } = await signedIn();
    await mutate(server.operator, async (tx) => {
      await endSessionsOfUser(tx, person.id);
      await tx.prisma.user.update({ where: { id: person.id }, data: { deactivatedAt: new Date() } });
    });
    expect((await actorOf(tokens.access_token)).actor).toEqual({ ended: 'USER_DEACTIVATED' });
    await expect(openid.refreshTokenGrant(configuration, tokens.refresh_token!)).rejects.toEqual(refused('invalid_grant'));
    await expect(signInWith(server, browser, client, person.signInName)).rejects.toThrow('no way back to the client: 422');
  });
});

describe('a browser that is remembered', () => {
  it('is asked for the password when the person was deactivated since', async () => {
    const { person, browser } = await signedIn();
    await server.db.prisma.user.update({ where: { id: person.id }, data: { deactivatedAt: new Date() } });
    await expect(signInWith(server, browser, await server.frontend(), person.signInName)).rejects.toThrow('no way back to the client: 422');
  });
});

describe('revocation, sign-out and introspection', () => {
  it('revoking a refresh token ends the session', async () => {
    const { configuration, tokens } = await signedIn();
    await openid.tokenRevocation(configuration, tokens.refresh_token!);
    expect((await actorOf(tokens.access_token)).actor).toEqual({ ended: 'SESSION_ENDED' });
  });

  it('signing out by the client ends every session of the browser', async () => {
    const { configuration, tokens, browser, person, client } = await signedIn();
    const other = await signInWith(server, browser, await server.frontend(), person.signInName);
    const address = openid.buildEndSessionUrl(configuration, {
      id_token_hint: tokens.id_token!,
      post_logout_redirect_uri: 'https://portal.example/',
    });
    const page = await browser.open(address.href);
    expect(page.text).toContain('Выйти?');
    const left = await browser.submit(page, { logout: 'yes' });
    expect(left.location).toBe('https://portal.example/');
    for (const { access_token } of [tokens, other.tokens]) expect((await actorOf(access_token)).actor).toEqual({ ended: 'SESSION_ENDED' });
    expect((await signInWith(server, browser, client, person.signInName)).askedForPassword).toBe(true);
  });

  it('introspection shows a client its own refresh token', async () => {
    const { configuration, tokens } = await signedIn();
    expect(await openid.tokenIntrospection(configuration, tokens.refresh_token!)).toMatchObject({ active: true });
    await openid.tokenRevocation(configuration, tokens.refresh_token!);
    expect(await openid.tokenIntrospection(configuration, tokens.refresh_token!)).toMatchObject({ active: false });
  });
});

describe('service clients', () => {
  const service = async (scopes = ['read', 'events']) => {
    const { school } = await server.build.school();
    return {
      schoolId: school.id,
      ...(await createClient(server.operator, { kind: 'service', name: 'Моя школа', schoolId: school.id, scopes })),
    };
  };

  it('get a token for their secret, with the scopes they ask for and have', async () => {
    const { client, secret, schoolId } = await service();
    const configuration = await discover(server, client.id, secret!);
    const { access_token } = await openid.clientCredentialsGrant(configuration, { scope: 'read' });
    const { actor } = await actorOf(access_token);
    expect(actor).toMatchObject({ kind: 'service', clientId: client.id, schoolId, scopes: ['read'] });
    const all = await openid.clientCredentialsGrant(configuration);
    expect((await actorOf(all.access_token)).actor).toMatchObject({ scopes: ['read', 'events'] });
    await expect(openid.clientCredentialsGrant(configuration, { scope: 'roster' })).rejects.toEqual(refused('invalid_scope'));
  });

  it('may send the secret in the body', async () => {
    const { client, secret } = await service();
    const configuration = await openid.discovery(new URL(server.url), client.id, undefined, openid.ClientSecretPost(secret!), {
      execute: [openid.allowInsecureRequests],
    });
    expect((await openid.clientCredentialsGrant(configuration)).access_token).toBeDefined();
  });

  it('get no token for another secret, nor for the stored hash', async () => {
    const { client, secret } = await service();
    const stored = Buffer.from(client.secretHash!).toString('base64url');
    for (const wrong of ['wrong', stored, `${secret!}x`])
      await expect(openid.clientCredentialsGrant(await discover(server, client.id, wrong))).rejects.toThrow();
  });

  it('get no token after they were ended, and their tokens are refused', async () => {
    const { client, secret } = await service();
    const configuration = await discover(server, client.id, secret!);
    const { access_token } = await openid.clientCredentialsGrant(configuration);
    await endClient(server.operator, { clientId: client.id });
    expect((await actorOf(access_token)).actor).toEqual({ ended: 'SESSION_ENDED' });
    await expect(openid.clientCredentialsGrant(configuration)).rejects.toThrow();
  });
});

describe('discovery', () => {
  it('is available at both addresses and ignores forwarded headers', async () => {
    for (const path of [
      '/.well-known/openid-configuration',
      '/.well-known/oauth-authorization-server',
      '/oidc/.well-known/openid-configuration',
    ]) {
      const response = await fetch(new URL(path, server.url), {
        headers: { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' },
      });
      expect(await response.json()).toMatchObject({
        issuer: server.url,
        token_endpoint: `${server.url}/oidc/token`,
        jwks_uri: `${server.url}/oidc/jwks`,
        code_challenge_methods_supported: ['S256'],
      });
    }
  });

  it('the published keys have no private half', async () => {
    const { keys } = (await (await fetch(new URL('/oidc/jwks', server.url))).json()) as { keys: object[] };
    expect(keys).toHaveLength(1);
    expect(keys[0]).not.toHaveProperty('d');
  });

  it('allows only the origins of the client and of the settings', async () => {
    const client = await server.frontend();
    const ask = async (origin: string) => {
      const body = new URLSearchParams({ client_id: client.id, grant_type: 'refresh_token', refresh_token: 'none' });
      return (await fetch(new URL('/oidc/token', server.url), { method: 'POST', headers: { origin }, body })).headers.get(
        'access-control-allow-origin',
      );
    };
    expect(await ask('https://portal.example')).toBe('https://portal.example');
    expect(await ask('https://evil.example')).toBeNull();
  });
});

describe('stored OIDC data', () => {
  it('contains no code, cookie or refresh token in clear text', async () => {
    const { configuration, tokens, callback, browser } = await signedIn();
    const next = await openid.refreshTokenGrant(configuration, tokens.refresh_token!);
    // Starts another sign-in. Its cookies, which the browser gets before the sign-in is finished, are secrets too.
    const client = await server.frontend();
    const query = {
      client_id: client.id,
      redirect_uri: client.redirectUri,
      response_type: 'code',
      scope: 'openid',
      prompt: 'login',
      code_challenge: 'a'.repeat(43),
      code_challenge_method: 'S256',
    };
    await browser.open(`/oidc/auth?${new URLSearchParams(query).toString()}`);
    const cookies = browser.cookies
      .split('; ')
      .filter((cookie) => !cookie.startsWith('sfera_form'))
      .map((cookie) => cookie.split('=')[1]!);
    const secrets = [tokens.refresh_token!, next.refresh_token!, callback.searchParams.get('code')!, ...cookies];
    expect(cookies.length).toBeGreaterThanOrEqual(4);
    const { rows } = await server.db.pool.query<{ row: string }>(
      'select oidc_payload::text as row from oidc_payload union all select session::text from session',
    );
    const all = rows.map(({ row }) => row).join('\n');
    expect(all).toContain('RefreshToken');
    for (const secret of secrets) expect(all).not.toContain(secret);
  });

  it('is deleted when it has expired', async () => {
    const idHash = randomUUID();
    await server.db.prisma.oidcPayload.create({ data: { model: 'Session', idHash, payload: {}, expiresAt: new Date(Date.now() - 1000) } });
    expect(await deleteExpired(server.db)).toBeGreaterThanOrEqual(1);
    expect(await server.db.prisma.oidcPayload.count({ where: { idHash } })).toBe(0);
  });
});
