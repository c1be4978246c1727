import * as openid from 'openid-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClient } from '../../../src/domain/clients.ts';
import { Browser, openAuthServer, password, signInWith, type AuthServer } from '../../support/auth-server.ts';

/** Authorization requests of frontends of every kind: redirect URIs, origins, prompts and response modes. */

let server: AuthServer;
beforeAll(async () => void (server = await openAuthServer({ ALLOWED_ORIGINS: 'https://allowed.example' })));
afterAll(() => server.close());

const register = async (...redirectUris: string[]) =>
  (await createClient(server.operator, { kind: 'frontend', name: 'Приложение', redirectUris })).client.id;

const signIn = async (id: string, redirectUri: string, more: Record<string, string> = {}, browser = new Browser(server.url)) => {
  const { signInName } = await server.teacher();
  return { browser, ...(await signInWith(server, browser, { id, redirectUri }, signInName, more)) };
};

const ask = (id: string, redirectUri: string, more: Record<string, string> = {}, browser = new Browser(server.url)) => {
  const query = {
    client_id: id,
    redirect_uri: redirectUri,
    response_type: 'code',
    scope: 'openid',
    code_challenge: 'a'.repeat(43),
    code_challenge_method: 'S256',
    ...more,
  };
  return browser.open(`/oidc/auth?${new URLSearchParams(query).toString()}`);
};

describe('redirect addresses', () => {
  it.each([
    ['http://127.0.0.1/callback', 'http://127.0.0.1:51004/callback'],
    ['http://127.0.0.1:8080/callback', 'http://127.0.0.1:51004/callback'],
    ['http://[::1]/callback', 'http://[::1]:51004/callback'],
    ['http://localhost/callback', 'http://localhost:51004/callback'],
    ['ru.example.app:/callback', 'ru.example.app:/callback'],
  ])('of a native app registered at %s: %s signs in, refreshes and signs out', async (registered, used) => {
    const id = await register(registered);
    const { configuration, tokens, browser } = await signIn(id, used);
    expect((await openid.refreshTokenGrant(configuration, tokens.refresh_token!)).access_token).toBeDefined();
    const address = openid.buildEndSessionUrl(configuration, { id_token_hint: tokens.id_token!, post_logout_redirect_uri: used });
    expect((await browser.submit(await browser.open(address.href), { logout: 'yes' })).location).toBe(used);
  });

  it('of one client each receive its authorization code', async () => {
    const all = ['https://portal.example/cb', 'http://localhost:3000/cb', 'ru.example.app:/cb'];
    const id = await register(...all);
    for (const each of [...all, 'http://localhost:3001/cb']) expect((await signIn(id, each)).tokens.access_token).toBeDefined();
  });

  it.each([
    ['http://127.0.0.1/callback', 'http://127.0.0.1:51004/other'],
    ['http://127.0.0.1/callback', 'http://127.0.0.1:51004/callback?more'],
    ['http://127.0.0.1/callback', 'http://localhost:51004/callback'],
    ['http://127.0.0.1/callback', 'http://127.0.0.1:x@evil.example/callback'],
    ['http://127.0.0.1/callback', 'http://127.0.0.1.evil.example/callback'],
    ['http://127.0.0.1/callback', 'http://x@127.0.0.1:51004/callback'],
    ['http://127.0.0.1/callback', 'https://127.0.0.1:51004/callback'],
    ['https://portal.example/cb', 'https://portal.example:8443/cb'],
    ['https://localhost:3000/cb', 'https://localhost:3001/cb'],
    ['ru.example.app:/callback', 'ru.example.app2:/callback'],
  ])('of a client registered at %s: nothing is sent to %s', async (registered, used) => {
    const answer = await ask(await register(registered), used);
    expect([answer.status, answer.location]).toEqual([400, undefined]);
  });

  it('of the server itself allow no other port', async () => {
    const elsewhere = new URL('/explorer', server.url);
    elsewhere.port = '51004';
    expect((await ask('explorer', elsewhere.href)).status).toBe(400);
  });

  it('have to be the same in the token request as in the authorization request', async () => {
    const id = await register('http://127.0.0.1/callback');
    const { browser } = await signIn(id, 'http://127.0.0.1:51004/callback');
    const verifier = openid.randomPKCECodeVerifier();
    const answer = await ask(
      id,
      'http://127.0.0.1:51004/callback',
      { code_challenge: await openid.calculatePKCECodeChallenge(verifier) },
      browser,
    );
    const exchange = async (redirect_uri: string) => {
      const body = new URLSearchParams({
        grant_type: 'authorization_code',
        code: new URL(answer.location!).searchParams.get('code')!,
        redirect_uri,
        code_verifier: verifier,
        client_id: id,
      });
      return (await fetch(new URL('/oidc/token', server.url), { method: 'POST', body })).status;
    };
    expect(await exchange('http://127.0.0.1:51005/callback')).toBe(400);
    expect(await exchange('http://127.0.0.1:51004/callback')).toBe(200);
  });
});

describe('prompt', () => {
  const errorOf = (location: string | undefined) => new URL(location!).searchParams.get('error');

  it('consent is granted at once without a page, with offline access', async () => {
    const id = await register('https://portal.example/cb');
    const asked = { scope: 'openid offline_access', prompt: 'consent' };
    const { tokens, browser, configuration } = await signIn(id, 'https://portal.example/cb', asked);
    expect(tokens.refresh_token).toBeDefined();
    expect((await openid.refreshTokenGrant(configuration, tokens.refresh_token!)).access_token).toBeDefined();
    expect((await ask(id, 'https://portal.example/cb', asked, browser)).location).toContain('code=');
  });

  it.each(['login', 'select_account', 'login consent', 'consent select_account', 'login select_account'])(
    '%s asks for the password once',
    async (prompt) => {
      const [id, before] = [await register('https://portal.example/cb'), await register('https://before.example/cb')];
      const person = await server.teacher();
      const browser = new Browser(server.url);
      await signInWith(server, browser, { id: before, redirectUri: 'https://before.example/cb' }, person.signInName);
      const sessions = () => server.db.prisma.session.count({ where: { userId: person.id } });
      expect(await sessions()).toBe(1);
      const page = await ask(id, 'https://portal.example/cb', { prompt }, browser);
      expect(page.text).toContain('name="password"');
      expect(await sessions()).toBe(1);
      expect((await browser.submit(page, { signInName: person.signInName, password })).location).toContain('code=');
    },
  );

  it('none never shows a page', async () => {
    const id = await register('https://portal.example/cb');
    expect(errorOf((await ask(id, 'https://portal.example/cb', { prompt: 'none' })).location)).toBe('login_required');
    const { browser } = await signIn(id, 'https://portal.example/cb');
    expect((await ask(id, 'https://portal.example/cb', { prompt: 'none' }, browser)).location).toContain('code=');
  });

  it.each(['create', 'none login', 'none consent', 'Consent', 'no_such'])('%s is refused to the client', async (prompt) => {
    const id = await register('https://portal.example/cb');
    expect(errorOf((await ask(id, 'https://portal.example/cb', { prompt })).location)).toBe('invalid_request');
  });
});

describe('origins', () => {
  const allowed = async (path: string, clientId: string, origin: string, method = 'POST') => {
    const body = new URLSearchParams({ client_id: clientId, grant_type: 'refresh_token', refresh_token: 'none', token: 'none' });
    const response = await fetch(
      new URL(path, server.url),
      method === 'POST' ? { method, headers: { origin }, body } : { method, headers: { origin, 'access-control-request-method': 'POST' } },
    );
    return response.headers.get('access-control-allow-origin');
  };

  it.each(['/oidc/token', '/oidc/token/introspection', '/oidc/token/revocation'])('null is not allowed at %s', async (path) => {
    for (const id of [await register('ru.example.app:/cb'), await register('https://portal.example/cb'), 'explorer', 'nobody'])
      expect(await allowed(path, id, 'null')).toBeNull();
    expect(await allowed(path, 'explorer', 'null', 'OPTIONS')).toBeNull();
    expect(await allowed(path, 'explorer', 'https://portal.example', 'OPTIONS')).toBe('https://portal.example');
  });

  it('of the client, of the server and of the settings are allowed', async () => {
    const id = await register('https://portal.example/cb', 'http://localhost:3000/cb', 'ru.example.app:/cb');
    for (const origin of [
      'https://portal.example',
      'http://localhost:3000',
      'http://localhost:3001',
      server.url,
      'https://allowed.example',
    ])
      expect(await allowed('/oidc/token', id, origin)).toBe(origin);
    for (const origin of [
      'https://evil.example',
      'http://portal.example',
      'https://portal.example:8443',
      'http://127.0.0.1:3000',
      'https://localhost:3000',
      'ru.example.app://',
      'file://',
    ])
      expect(await allowed('/oidc/token', id, origin)).toBeNull();
  });

  it('null, data: and the like are refused in ALLOWED_ORIGINS', async () => {
    for (const ALLOWED_ORIGINS of ['null', 'data:', 'https://a.example,null', '*'])
      await expect(openAuthServer({ ALLOWED_ORIGINS })).rejects.toThrow(/^ALLOWED_ORIGINS must be/);
  });
});

describe('the discovery document', () => {
  it('lists only what the server supports', async () => {
    const document = (await (await fetch(new URL('/.well-known/openid-configuration', server.url))).json()) as Record<
      string,
      string & string[]
    >;
    expect(document).toMatchObject({
      issuer: server.url,
      grant_types_supported: ['authorization_code', 'refresh_token', 'client_credentials'],
      response_types_supported: ['code'],
      response_modes_supported: ['form_post', 'fragment', 'query'],
      token_endpoint_auth_methods_supported: ['none', 'client_secret_basic', 'client_secret_post'],
      prompt_values_supported: ['none', 'login', 'consent', 'select_account'],
      id_token_signing_alg_values_supported: ['ES256'],
      claims_parameter_supported: false,
      request_uri_parameter_supported: false,
    });
    expect(document).not.toHaveProperty('dpop_signing_alg_values_supported');
    const endpoints = Object.entries(document).filter(([name]) => /_endpoint$|^jwks_uri$/.test(name));
    expect(endpoints.map(([name]) => name).sort()).toEqual([
      'authorization_endpoint',
      'end_session_endpoint',
      'introspection_endpoint',
      'jwks_uri',
      'pushed_authorization_request_endpoint',
      'revocation_endpoint',
      'token_endpoint',
    ]);
    const statuses = Object.fromEntries(
      await Promise.all(
        endpoints.map(async ([name, address]) => [
          name,
          (
            await fetch(
              address,
              /authorization_endpoint|end_session|jwks/.test(name) ? {} : { method: 'POST', body: new URLSearchParams() },
            )
          ).status,
        ]),
      ),
    ) as object;
    expect(statuses).toEqual({
      authorization_endpoint: 400,
      end_session_endpoint: 200,
      introspection_endpoint: 400,
      jwks_uri: 200,
      pushed_authorization_request_endpoint: 400,
      revocation_endpoint: 400,
      token_endpoint: 400,
    });
  });

  it('a pushed request is referenced by its URI, and counts for its address like any other', async () => {
    const id = await register('https://portal.example/cb');
    const { browser, configuration } = await signIn(id, 'https://portal.example/cb');
    const query = {
      redirect_uri: 'https://portal.example/cb',
      scope: 'openid',
      code_challenge: 'a'.repeat(43),
      code_challenge_method: 'S256',
    };
    await server.db.prisma.rateLimit.deleteMany();
    const address = await openid.buildAuthorizationUrlWithPAR(configuration, query);
    expect(await server.db.prisma.rateLimit.count()).toBe(1);
    expect((await browser.open(address.href)).location).toContain('code=');
  });

  it.each(['query', 'fragment', 'form_post'])('response mode %s returns the code', async (response_mode) => {
    const id = await register('https://portal.example/cb');
    const { browser } = await signIn(id, 'https://portal.example/cb');
    const answer = await ask(id, 'https://portal.example/cb', { response_mode, state: 'abc' }, browser);
    if (response_mode !== 'form_post')
      expect(answer.location).toMatch(
        response_mode === 'query' ? /^https:\/\/portal\.example\/cb\?code=/ : /^https:\/\/portal\.example\/cb#code=/,
      );
    else expect(answer.text).toMatch(/action="https:\/\/portal\.example\/cb"[^]*name="code" value="[\w-]{43}"[^]*name="state" value="abc"/);
  });

  it('its scopes and claims are granted', async () => {
    const id = await register('https://portal.example/cb');
    const { tokens } = await signIn(id, 'https://portal.example/cb', {
      scope: 'openid profile offline_access',
      prompt: 'consent',
      max_age: '1000',
    });
    expect(Object.keys(tokens.claims()!)).toEqual(
      expect.arrayContaining(['sub', 'name', 'family_name', 'given_name', 'locale', 'auth_time', 'iss']),
    );
  });
});
