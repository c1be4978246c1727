import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSfera, type Sfera } from '../support/sfera.ts';
import { isInstalled, launchChromium, titleOf } from '../support/chromium.ts';

/**
 * In a real browser, a page of another origin can read every response, including errors, and can send all headers that
 * it needs.
 */

interface Read {
  status: number;
  codes: string[];
  requestId: string | null;
  retryAfter: string | null;
  challenge: string | null;
}

describe.skipIf(!isInstalled)(titleOf('a page of an allowed origin'), () => {
  const front = createServer(
    (_request, response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>front</title>'),
  );
  let app: Sfera;
  let browser: Browser;
  let page: Page;
  let token: string;
  beforeAll(async () => {
    await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
    const origin = `http://127.0.0.1:${(front.address() as AddressInfo).port}`;
    app = await openSfera({ ALLOWED_ORIGINS: origin, OPERATIONS_PER_MINUTE: '30' });
    const { administrator } = await app.build.school();
    ({ token } = await app.token(administrator));
    browser = await launchChromium();
    page = await browser.newPage();
    await page.goto(origin);
  });
  afterAll(async () => {
    await browser.close();
    await app.close();
    front.close();
  });

  const read = (path: string, init: RequestInit & { size?: number }): Promise<Read | string> =>
    page.evaluate(
      async ([url, { size, ...options }]) => {
        try {
          const response = await fetch(url, { ...options, ...(size && { body: 'x'.repeat(size) }) });
          const text = await response.text();
          const errors = text.startsWith('{') ? ((JSON.parse(text) as { errors?: { extensions: { code: string } }[] }).errors ?? []) : [];
          const header = (name: string) => response.headers.get(name);
          return {
            status: response.status,
            codes: errors.map(({ extensions }) => extensions.code),
            requestId: header('x-request-id'),
            retryAfter: header('retry-after'),
            challenge: header('www-authenticate'),
          };
        } catch (error) {
          return String(error);
        }
      },
      [`http://127.0.0.1:${app.port}${path}`, init] as const,
    );
  const json = (more: Record<string, string> = {}) => ({ 'content-type': 'application/json', authorization: `Bearer ${token}`, ...more });
  const body = '{"query":"{ viewer { id } }"}';

  it.each<[what: string, status: number, code: string | undefined, path: string, init: () => RequestInit & { size?: number }]>([
    ['an answer', 200, undefined, '/graphql', () => ({ method: 'POST', headers: json(), body })],
    [
      'an answer with the headers of tracers and clients',
      200,
      undefined,
      '/graphql',
      () => ({
        method: 'POST',
        body,
        headers: json({
          'x-requested-with': 'x',
          'sentry-trace': 'x',
          baggage: 'x',
          traceparent: 'x',
          tracestate: 'x',
          'x-request-id': 'request-1234',
          'apollo-require-preflight': 'true',
          'x-apollo-operation-name': 'x',
          'accept-language': 'en',
          'x-datadog-trace-id': '1',
        }),
      }),
    ],
    ['400 for no JSON', 400, 'BAD_REQUEST', '/graphql', () => ({ method: 'POST', headers: json(), body: '{' })],
    [
      '400 against CSRF',
      400,
      'CSRF_HEADER_REQUIRED',
      '/graphql',
      () => ({ method: 'POST', headers: { 'content-type': 'text/plain' }, body }),
    ],
    ['401', 401, 'UNAUTHENTICATED', '/graphql', () => ({ method: 'POST', headers: json({ authorization: 'Bearer no.such.token' }), body })],
    ['404', 404, 'NOT_FOUND', '/nothing', () => ({ headers: { authorization: 'Bearer x' } })],
    ['405', 405, 'BAD_REQUEST', '/graphql', () => ({ method: 'PUT', headers: json(), body })],
    ['406', 406, 'NOT_ACCEPTABLE', '/graphql', () => ({ method: 'POST', headers: json({ accept: 'image/png' }), body })],
    ['413', 413, 'BODY_TOO_LARGE', '/graphql', () => ({ method: 'POST', headers: json(), size: 5 * 1024 * 1024 })],
    ['415', 415, 'UNSUPPORTED_MEDIA_TYPE', '/graphql', () => ({ method: 'POST', headers: json({ 'content-type': 'text/plain' }), body })],
    ['health', 200, undefined, '/health/ready', () => ({ headers: { 'x-requested-with': 'x' } })],
    ['discovery', 200, undefined, '/.well-known/openid-configuration', () => ({ headers: { 'x-requested-with': 'x' } })],
    ['the keys', 200, undefined, '/oidc/jwks', () => ({})],
    [
      'a refused token request',
      400,
      undefined,
      '/oidc/token',
      () => ({
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded', traceparent: 'x' },
        body: 'grant_type=x&client_id=explorer',
      }),
    ],
  ])('reads %s', async (_what, status, code, path, init) => {
    const seen = await read(path, init());
    expect(seen).toMatchObject({
      status,
      requestId: expect.stringMatching(/^[\w-]{8,64}$/) as string,
      ...(code === undefined ? {} : { codes: [code] }),
      ...(status === 401 && { challenge: expect.stringMatching(/^Bearer/) as string }),
    });
  });

  it('reads status 429 and the header Retry-After', async () => {
    let seen = await read('/graphql', { method: 'POST', headers: json(), body });
    for (let n = 0; n < 100 && typeof seen !== 'string' && seen.status !== 429; n += 1)
      seen = await read('/graphql', { method: 'POST', headers: json(), body });
    expect(seen).toMatchObject({ status: 429, codes: ['RATE_LIMITED'], retryAfter: expect.stringMatching(/^\d+$/) as string });
  });

  it('from an origin that is not allowed reads nothing', async () => {
    const other = await browser.newPage();
    await other.goto(page.url().replace('127.0.0.1', 'localhost'));
    const seen = await other.evaluate(
      (url) => fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' }).then(String, String),
      app.url,
    );
    expect(seen).toMatch(/TypeError/);
  });
});
