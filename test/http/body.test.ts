import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bounds } from '../../src/http/graphql/limits.ts';
import { Browser } from '../support/auth-server.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';
import { ask, json, openSignedIn, type RawRequest } from './raw-http.ts';

/** Encodings of a request body. The server decodes a body without loss, or refuses it with a code. */

let app: Sfera;
let token: string;
let schoolId: string;
beforeAll(async () => {
  app = await openSfera();
  const { school, administrator } = await app.build.school();
  schoolId = app.id('School', school.id);
  ({ token } = await app.token(administrator));
});
afterAll(() => app.close());

const mutation = 'mutation ($input: CreateSubjectInput!) { createSubject(input: $input) { __typename ... on Subject { name } } }';
const subject = (name: string): string => JSON.stringify({ query: mutation, variables: { input: { schoolId, name } } });
const post = ({ headers, ...sent }: RawRequest) => ask(app.url, { ...sent, headers: { ...json(token), ...headers } });
const names = async (): Promise<string[]> => (await app.db.prisma.subject.findMany({ select: { name: true } })).map(({ name }) => name);
/** Sends raw bytes. Resolves with everything that the server sends until it closes the connection. */
const raw = (write: (socket: ReturnType<typeof connect>) => void | Promise<void>): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(app.port, '127.0.0.1', () => void write(socket));
    let received = '';
    socket
      .on('data', (part) => (received += part.toString()))
      .once('error', reject)
      .once('close', () => resolve(received));
  });
const headOf = (extra: string): string =>
  `POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer ${token}\r\n${extra}\r\n\r\n`;

const bom = Buffer.from([0xef, 0xbb, 0xbf]);
const swapped = (text: string): Buffer => Buffer.from(text, 'utf16le').swap16();

describe('a body is read', () => {
  let count = 0;
  it.each<[what: string, sent: (text: string) => RawRequest]>([
    ['in chunks, without its length', (body) => ({ body, chunked: true })],
    ['after a byte order mark', (body) => ({ body: Buffer.concat([bom, Buffer.from(body)]) })],
    ['after a byte order mark, in chunks', (body) => ({ body: Buffer.concat([bom, Buffer.from(body)]), chunked: true })],
    ['as charset=utf-8', (body) => ({ body, headers: { 'content-type': 'application/json; charset=utf-8' } })],
    ['as charset="UTF-8"', (body) => ({ body, headers: { 'content-type': 'Application/JSON;charset="UTF-8"' } })],
    [
      'as charset=utf8 beside another parameter',
      (body) => ({ body, headers: { 'content-type': 'application/json; profile=x; Charset=utf8' } }),
    ],
    ['compressed by gzip', (body) => ({ body: gzipSync(body), headers: { 'content-encoding': 'gzip' } })],
    ['compressed by gzip, in chunks', (body) => ({ body: gzipSync(body), chunked: true, headers: { 'content-encoding': 'GZIP' } })],
    ['compressed by deflate', (body) => ({ body: deflateSync(body), headers: { 'content-encoding': 'deflate' } })],
    ['compressed by brotli', (body) => ({ body: brotliCompressSync(body), headers: { 'content-encoding': 'br' } })],
    [
      'compressed after a byte order mark',
      (body) => ({ body: gzipSync(Buffer.concat([bom, Buffer.from(body)])), headers: { 'content-encoding': 'gzip' } }),
    ],
    [
      'with every sign escaped',
      (body) => ({
        body: body.replace(/[^\x20-\x7e]/g, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`),
        headers: { 'content-type': 'application/json; charset=us-ascii' },
      }),
    ],
  ])('%s', async (_what, sent) => {
    const name = `Предмет ${(count += 1)} ёЁ 😀`;
    const { data } = await post(sent(subject(name)));
    expect(data).toEqual({ createSubject: { __typename: 'Subject', name } });
    expect(await names()).toContain(name);
  });

  it('if the client waits for 100 Continue before it sends the body', async () => {
    const body = '{"query":"{ __typename }"}';
    const received = await raw(async (socket) => {
      socket.write(headOf(`Content-Length: ${body.length}\r\nExpect: 100-continue\r\nConnection: close`));
      await new Promise((resolve) => socket.once('data', resolve));
      socket.write(body);
    });
    expect(received).toMatch(
      /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 OK\r\n[^]*\{"data":\{"__typename":"Query"\},"extensions":\{"cost":\{"requested":0,"limit":50000\}\}\}$/,
    );
  });

  it('with the last of two members of the same name, by the fast path and by Yoga', async () => {
    const body = '{"query":"{ nothing }","query":"{ __typename }"}';
    for (const headers of [{}, { 'content-encoding': 'identity' }] as Record<string, string>[])
      expect((await post({ body, headers })).data).toEqual({ __typename: 'Query' });
  });
});

describe('a body is refused', () => {
  it.each<[what: string, status: number, code: string, sent: (text: string) => RawRequest]>([
    [
      'in UTF-16 with its mark',
      415,
      'UNSUPPORTED_CHARSET',
      (text) => ({ body: Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, 'utf16le')]) }),
    ],
    [
      'in UTF-16 with its other mark',
      415,
      'UNSUPPORTED_CHARSET',
      (text) => ({ body: Buffer.concat([Buffer.from([0xfe, 0xff]), swapped(text)]) }),
    ],
    ['in UTF-16 without a mark', 415, 'UNSUPPORTED_CHARSET', (text) => ({ body: Buffer.from(text, 'utf16le') })],
    ['in UTF-16 the other way round', 415, 'UNSUPPORTED_CHARSET', (text) => ({ body: swapped(text) })],
    [
      'as charset=utf-16',
      415,
      'UNSUPPORTED_CHARSET',
      (body) => ({ body, headers: { 'content-type': 'application/json; charset=utf-16' } }),
    ],
    [
      'as charset=windows-1251',
      415,
      'UNSUPPORTED_CHARSET',
      (body) => ({ body, headers: { 'content-type': 'application/json; charset="windows-1251"' } }),
    ],
    [
      'as an unknown charset',
      415,
      'UNSUPPORTED_CHARSET',
      (body) => ({ body, headers: { 'content-type': 'application/json;charset=x-none' } }),
    ],
    [
      'as two charsets',
      415,
      'UNSUPPORTED_CHARSET',
      (body) => ({ body, headers: { 'content-type': 'application/json; charset=utf-8; charset=koi8-r' } }),
    ],
    [
      'as another kind of JSON',
      415,
      'UNSUPPORTED_MEDIA_TYPE',
      (body) => ({ body, headers: { 'content-type': 'application/graphql-response+json' } }),
    ],
    ['in windows-1251 without saying so', 400, 'MALFORMED_TEXT', () => ({ body: Buffer.from([0x7b, 0x22, 0xcf, 0xf0, 0xe8, 0x22, 0x7d]) })],
    ['with an overlong encoding', 400, 'MALFORMED_TEXT', (text) => ({ body: splice(text, [0xc0, 0xaf]) })],
    ['with a lone surrogate in its bytes', 400, 'MALFORMED_TEXT', (text) => ({ body: splice(text, [0xed, 0xa0, 0x80]) })],
    ['with a truncated sign', 400, 'MALFORMED_TEXT', (text) => ({ body: splice(text, [0xd0]) })],
    ['with a byte that never occurs', 400, 'MALFORMED_TEXT', (text) => ({ body: splice(text, [0xff]) })],
    [
      'with malformed text, compressed',
      400,
      'MALFORMED_TEXT',
      (text) => ({ body: gzipSync(splice(text, [0xff])), headers: { 'content-encoding': 'gzip' } }),
    ],
    ['with U+0000 in its bytes', 400, 'BAD_REQUEST', (text) => ({ body: splice(text, [0]) })],
    ['of a byte order mark alone', 400, 'BAD_REQUEST', () => ({ body: bom })],
    ['with a mark after a mark', 400, 'BAD_REQUEST', (text) => ({ body: Buffer.concat([bom, bom, Buffer.from(text)]) })],
    ['compressed in an unknown way', 415, 'UNSUPPORTED_CONTENT_ENCODING', (body) => ({ body, headers: { 'content-encoding': 'zstd' } })],
    [
      'compressed in a way that every object knows',
      415,
      'UNSUPPORTED_CONTENT_ENCODING',
      (body) => ({ body, headers: { 'content-encoding': 'constructor' } }),
    ],
    [
      'compressed twice',
      415,
      'UNSUPPORTED_CONTENT_ENCODING',
      (text) => ({ body: gzipSync(gzipSync(text)), headers: { 'content-encoding': 'gzip, gzip' } }),
    ],
    ['not compressed as it says', 400, 'BAD_REQUEST', (body) => ({ body, headers: { 'content-encoding': 'gzip' } })],
    [
      'compressed and cut',
      400,
      'BAD_REQUEST',
      (text) => ({ body: gzipSync(text).subarray(0, -12), headers: { 'content-encoding': 'gzip' } }),
    ],
    [
      'small, but large decompressed',
      413,
      'BODY_TOO_LARGE',
      () => ({ body: gzipSync(Buffer.alloc(bounds.body * 100, 0x20)), headers: { 'content-encoding': 'gzip' } }),
    ],
    ['of JSON nested very deep', 400, 'BAD_REQUEST', () => ({ body: '['.repeat(100_000) + ']'.repeat(100_000) })],
    ['with __proto__ beside the query', 400, 'BAD_REQUEST', (text) => ({ body: text.replace('{', '{"__proto__":{"query":"x"},') })],
  ])('%s: %i %s, and nothing is stored', async (what, status, code, sent) => {
    const name = `Отказ «${what}» @`;
    const { status: answered, codes, headers } = await post(sent(subject(name)));
    expect([answered, codes]).toEqual([status, [code]]);
    if (code === 'UNSUPPORTED_CONTENT_ENCODING') expect(headers['accept-encoding']).toBe('gzip, deflate, br');
    expect((await names()).filter((stored) => stored.includes('Отказ') || stored.includes('\ufffd'))).toEqual([]);
  });

  /** Returns the text with `@` replaced by these bytes. */
  function splice(text: string, bytes: readonly number[]): Buffer {
    const at = Buffer.from(text).indexOf('@');
    return Buffer.concat([Buffer.from(text).subarray(0, at), Buffer.from(bytes), Buffer.from(text).subarray(at + 1)]);
  }

  it.each([
    ['by its length', (size: number) => `Content-Length: ${size}`],
    ['in chunks', () => 'Transfer-Encoding: chunked'],
  ])(
    'once it is too large %s, without reading on, in an answer that the client gets while it sends, and the connection is closed',
    async (how, length) => {
      const size = 64 * 1024 * 1024;
      let sent = 0;
      const received = await raw(async (socket) => {
        socket.write(headOf(length(size)));
        const part = Buffer.alloc(64 * 1024, 0x20);
        while (sent < size && !socket.destroyed && !socket.readableEnded) {
          if (how === 'in chunks') socket.write(`${part.length.toString(16)}\r\n`);
          const flushed = socket.write(part);
          if (how === 'in chunks') socket.write('\r\n');
          sent += part.length;
          if (!flushed) await Promise.race([new Promise((resolve) => socket.once('drain', resolve)), pause(100)]);
          // The client stops sending when it receives the response.
          if (socket.bytesRead > 0) return void socket.end();
        }
      });
      expect(received).toMatch(/^HTTP\/1.1 413 [^]*connection: close\r\n[^]*BODY_TOO_LARGE/i);
      expect(sent).toBeLessThan(size);
    },
  );

  it('before it is sent if the client waits for 100 Continue', async () => {
    const received = await raw((socket) => {
      socket.write(headOf(`Content-Length: ${bounds.body + 1}\r\nExpect: 100-continue`));
      socket.once('data', () => socket.end());
    });
    expect(received).toMatch(/^HTTP\/1.1 413 /);
    expect(received.match(/HTTP\/1.1/g)).toHaveLength(1);
    expect(await raw((socket) => void socket.write(headOf('Content-Length: 2\r\nConnection: close\r\nExpect: 200-maybe') + '{}'))).toMatch(
      /^HTTP\/1.1 417 [^]*EXPECTATION_FAILED/,
    );
  });

  it('if it is shorter than Content-Length, and nothing is executed', async () => {
    const text = subject('Отказ: оборвано');
    await raw((socket) => void socket.write(headOf(`Content-Length: ${Buffer.byteLength(text) + 1}`) + text, () => socket.destroy())).catch(
      () => undefined,
    );
    expect((await post({ body: '{"query":"{ __typename }"}' })).status).toBe(200);
    expect(await names()).not.toContain('Отказ: оборвано');
  });
});

describe('a query string', () => {
  const get = (query: string) => ask(app.url, { method: 'GET', path: `/graphql?${query}`, headers: json(token) });

  it('is refused if it cannot be decoded without loss', async () => {
    for (const query of [
      'query={__typename}&operationName=%ff',
      'query=%7b__typename%7d%20%23%d0',
      'query={__typename}%20%23%ed%a0%80',
      'query={__typename}&x=%',
      'query={__typename}%20%23%zz',
    ]) {
      const { status, codes } = await get(query);
      expect([status, codes], query).toEqual([400, ['MALFORMED_TEXT']]);
    }
    expect((await get(`query=${encodeURIComponent('{ __typename } # Ёж')}`)).data).toEqual({ __typename: 'Query' });
    expect(
      await raw(
        (socket) =>
          void socket.write(
            Buffer.from(
              'GET /graphql?query={__typename}%20%23\xd0 HTTP/1.1\r\nHost: x\r\nX-Requested-With: x\r\nConnection: close\r\n\r\n',
              'latin1',
            ),
          ),
      ),
    ).toMatch(/^HTTP\/1.1 400 /);
  });

  it('with variables that are not JSON is a bad request', async () => {
    for (const name of ['variables', 'extensions'])
      expect([name, (await get(`query={__typename}&${name}={`)).codes]).toEqual([name, ['BAD_REQUEST']]);
  });
});

describe('a form', () => {
  it('in an encoding other than UTF-8 changes nothing and shows an error', async () => {
    const { code } = await app.build.invitation({ schoolId: (await app.db.prisma.school.findFirstOrThrow()).id });
    const browser = new Browser(app.config.publicUrl);
    const page = await browser.open(`/join/${code}`);
    const values = { surname: 'Иванова', givenName: 'Анна', signInName: 'annaforma', password: 'длинный и свой пароль' };
    const before = await app.db.prisma.user.count();
    const send = (body: string | Buffer<ArrayBuffer>, type: string) =>
      browser.open(page.url, { method: 'POST', body, headers: { 'content-type': type } });
    const [, field] = /name="form" value="([^"]*)"/.exec(page.text)!;
    const form = new URLSearchParams({ form: field!, ...values }).toString();
    for (const [body, type, status] of [
      [form, 'application/x-www-form-urlencoded; charset=windows-1251', 415],
      [form.replace('%D0%98', '%C8'), 'application/x-www-form-urlencoded', 422],
      [Buffer.concat([Buffer.from(`${form}&x=`), Buffer.from([0xc8])]), 'application/x-www-form-urlencoded', 400],
      [`${form}&x=%`, 'application/x-www-form-urlencoded', 422],
      [`${form}&x=${'x'.repeat(200_000)}`, 'application/x-www-form-urlencoded', 413],
      [form, 'multipart/form-data; boundary=x', 422],
      ['', 'application/x-www-form-urlencoded', 403],
    ] as const) {
      const seen = await send(body, type);
      expect([type, seen.status]).toEqual([type, status]);
      expect(seen.headers.get('content-type')).toBe('text/html; charset=utf-8');
      expect(seen.text).toContain('Не получилось');
    }
    expect(await app.db.prisma.user.count()).toBe(before);
    expect((await send(form, 'Application/X-WWW-Form-URLEncoded; charset="UTF-8"')).status).toBe(200);
    expect(await app.db.prisma.user.count()).toBe(before + 1);
  });
});

it('a socket accepts only text: binary messages and invalid UTF-8 close it', async () => {
  const message = (id: string) => JSON.stringify({ type: 'subscribe', id, payload: JSON.parse(subject('Отказ: байты')) as object });
  const bytes = await openSignedIn(app.url, token);
  bytes.ws.send(Buffer.from(message('1')), { binary: true });
  expect((await bytes.closed).code).toBe(4400);
  const malformed = await openSignedIn(app.url, token);
  malformed.ws.send(Buffer.from(message('1').replace('Отказ', '\xff'), 'latin1'), { binary: false });
  expect((await malformed.closed).code).toBe(1007);
  expect((await names()).filter((name) => name.includes('байты'))).toEqual([]);
});
