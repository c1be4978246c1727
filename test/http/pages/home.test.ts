import { Writable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLogger } from '../../../src/logger.ts';
import { start, type Running } from '../../../src/http/bootstrap.ts';
import { openTestDatabase } from '../../support/database.ts';
import { testConfig } from '../../support/sfera.ts';

/** The start page, and the responses to browsers, programs and crawlers for unknown paths. */

const lines: string[] = [];
let app: Running;
let home: string;
beforeAll(async () => {
  const log = createLogger('debug', new Writable({ write: (chunk: Buffer, _encoding, done) => (lines.push(String(chunk)), done()) }));
  app = await start(await testConfig({ ALLOWED_ORIGINS: 'https://front.example' }), log, await openTestDatabase());
  home = `http://127.0.0.1:${app.port}`;
});
afterAll(() => app.close());

const html = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';
const open = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
  fetch(`${home}${path}`, { method, headers: { accept: html, ...headers }, redirect: 'manual' });

describe('the start page', () => {
  it.each([
    ['ru', 'Сервер школьной платформы'],
    ['en', 'School platform server'],
  ])('says in %s what the server is, and all its links work', async (language, heading) => {
    const response = await open('/', { 'accept-language': language });
    const text = await response.text();
    expect([response.status, response.headers.get('content-language'), response.headers.get('content-length')]).toEqual([
      200,
      language,
      String(Buffer.byteLength(text)),
    ]);
    expect(text).toContain(heading);
    expect(text).toContain(`<html lang="${language}">`);
    const links = [...text.matchAll(/<a [^>]*href="([^"]*)"/g)].map(([, href]) => href!.replaceAll('&amp;', '&'));
    expect(links.length).toBeGreaterThanOrEqual(4);
    for (const href of links) expect([href, (await open(href)).status < 400]).toEqual([href, true]);
  });
});

describe('an unknown path', () => {
  it('a browser gets a page with a way back and the id of the request', async () => {
    for (const [language, said] of [
      ['ru', 'По этому адресу ничего нет.'],
      ['en', 'There is nothing at this address.'],
    ] as const) {
      const response = await open('/nothing', { 'accept-language': language });
      const text = await response.text();
      expect(response.status).toBe(404);
      expect(text).toContain(said);
      expect(text).toContain(`href="/?lang=${language}"`);
      expect(text).toContain(response.headers.get('x-request-id'));
    }
  });

  it('a program gets JSON with a code, at the root too', async () => {
    for (const path of ['/', '/nothing'])
      for (const accept of ['*/*', 'application/json', 'application/json, text/html', 'text/html;q=0.5, application/json', '']) {
        const response = await open(path, { accept });
        expect([response.status, await response.json()]).toMatchObject([404, { errors: [{ extensions: { code: 'NOT_FOUND' } }] }]);
      }
  });

  it('GraphQL answers a browser with JSON', async () => {
    expect(await (await open('/graphql')).json()).toMatchObject({ errors: [{ extensions: { code: 'CSRF_HEADER_REQUIRED' } }] });
  });
});

it('HEAD is answered like GET, without the body, and OPTIONS with what a page takes', async () => {
  for (const path of ['/', '/explorer', '/nothing', '/assets/site.css']) {
    const [get, head] = [await open(path), await open(path, {}, 'HEAD')];
    expect([path, head.status, head.headers.get('content-type'), await head.text()]).toEqual([
      path,
      get.status,
      get.headers.get('content-type'),
      '',
    ]);
  }
  const options = await open('/sessions', {}, 'OPTIONS');
  expect([options.status, options.headers.get('allow')]).toEqual([204, 'GET, HEAD, OPTIONS']);
  expect((await open('/sessions', {}, 'DELETE')).status).toBe(405);
});

it('files that browsers and crawlers request by themselves exist', async () => {
  const icon = await open('/favicon.ico');
  expect([icon.status, icon.headers.get('content-type')]).toEqual([200, 'image/svg+xml']);
  expect(await (await open('/robots.txt')).text()).toBe('User-agent: *\nDisallow: /\n');
});

it('a path that is not UTF-8 is a bad request, also to the authorization server', async () => {
  for (const path of ['/oidc/auth?state=%ff', '/.well-known/openid-configuration?x=%e0%a4'])
    expect([path, (await open(path)).status]).toEqual([path, 400]);
});

it('a preflight of an origin that is not allowed is refused with the reason, and the origin is logged', async () => {
  const response = await open(
    '/graphql',
    { origin: 'https://foreign.example', 'access-control-request-method': 'POST', 'accept-language': 'en' },
    'OPTIONS',
  );
  expect([response.status, response.headers.get('access-control-allow-origin'), await response.json()]).toMatchObject([
    403,
    null,
    { errors: [{ extensions: { code: 'ORIGIN_FORBIDDEN' } }] },
  ]);
  expect(lines.join('')).toContain('"origin":"https://foreign.example"');
});

it('every response varies by origin', async () => {
  for (const path of [
    '/',
    '/nothing',
    '/graphql',
    '/assets/site.css',
    '/oidc/jwks',
    '/.well-known/openid-configuration',
    '/health/live',
    '/explorer',
  ])
    expect([path, /\borigin\b/i.test((await open(path)).headers.get('vary') ?? '')]).toEqual([path, true]);
});

it('these requests log no errors', () => {
  expect(lines.filter((line) => (JSON.parse(line) as { level: number }).level >= 40)).toEqual([]);
});
