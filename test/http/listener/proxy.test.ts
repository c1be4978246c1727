import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chatsStream } from '../live/streams.ts';
import { person } from '../../support/client.ts';
import { freePort, openSfera, type Sfera } from '../../support/sfera.ts';
import { ask, json } from '../raw-http.ts';

/** Behind the nginx that is installed here: streams arrive, and keep-alive connections cause no 502. */

const nginx = spawnSync('nginx', ['-v']).error === undefined;
const title = nginx ? 'behind nginx' : 'behind nginx: skipped, it is not installed';

describe.skipIf(!nginx)(title, () => {
  let app: Sfera;
  let proxy: ChildProcess;
  let folder: string;
  let url: string;
  let token: string;
  let schoolId: string;
  beforeAll(async () => {
    app = await openSfera();
    const { school, administrator } = await app.build.school();
    schoolId = app.id('School', school.id);
    ({ token } = await app.token(administrator));
    folder = mkdtempSync(join(tmpdir(), 'sfera-nginx-'));
    // If root starts nginx, its workers run as another user and need access to the folder.
    chmodSync(folder, 0o755);
    const port = await freePort();
    url = `http://127.0.0.1:${port}/graphql`;
    const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`).join(' ');
    writeFileSync(
      join(folder, 'nginx.conf'),
      `pid ${folder}/pid; error_log ${folder}/error.log; daemon off; events {}
      http {
        access_log off; ${paths}
        upstream sfera { server 127.0.0.1:${app.port}; keepalive 128; }
        server {
          listen 127.0.0.1:${port};
          location / { proxy_pass http://127.0.0.1:${app.port}; }
          location = /graphql { proxy_pass http://127.0.0.1:${app.port}; }
          location /kept/ { proxy_pass http://sfera/; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_next_upstream off; }
        }
      }`,
    );
    proxy = spawn('nginx', ['-p', folder, '-c', join(folder, 'nginx.conf')], { stdio: 'ignore' });
    for (
      let tries = 0;
      tries < 200 &&
      !(await fetch(url).then(
        ({ status }) => status === 400,
        () => false,
      ));
      tries += 1
    )
      await pause(50);
  });
  afterAll(async () => {
    proxy.kill('SIGTERM');
    await new Promise((resolve) => proxy.once('exit', resolve));
    await app.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('an SSE stream arrives without buffering', async () => {
    const stream = person(url, token).listenSse(chatsStream, { schoolId });
    await stream.until(({ items }) => items.length > 0);
    stream.close();
  });

  it('a body that is too large is answered with 413, not with 502', async () => {
    for (let n = 0; n < 10; n += 1)
      expect((await ask(url, { body: Buffer.alloc(900 * 1024, 0x20), headers: json(token), chunked: n % 2 === 0 })).codes).toEqual([
        'BODY_TOO_LARGE',
      ]);
  });

  it('refusals and responses on keep-alive connections do not break them', async () => {
    const path = '/kept/graphql';
    const bodies = ['{"query":"{ __typename }"}', '{', 'x'.repeat(300 * 1024), '{"query":"{ nothing }"}', Buffer.from([0xff])];
    const kinds = ['application/json', 'text/plain'];
    for (let round = 0; round < 10; round += 1) {
      const sent = bodies.flatMap((body) => kinds.map((type) => ask(url, { path, body, headers: json(token, { 'content-type': type }) })));
      for (const { status } of await Promise.all(sent)) expect([200, 400, 413, 415]).toContain(status);
    }
  });
});

it('an idle connection is kept open for the configured time, which the response announces', async () => {
  const app = await openSfera({ KEEP_ALIVE_SECONDS: '2' });
  const socket = connect(app.port, '127.0.0.1');
  const closed = new Promise((resolve) => socket.once('close', resolve));
  const received = new Promise<string>((resolve) => socket.once('data', (part) => resolve(part.toString())));
  socket.write('GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n');
  expect(await received).toMatch(/\r\nKeep-Alive: timeout=2\r\n/i);
  const begun = performance.now();
  await closed;
  expect(performance.now() - begun).toBeGreaterThan(1900);
  await app.close();
});

it('by default an idle connection stays open longer than the minute for which proxies keep theirs', async () => {
  const app = await openSfera();
  const socket = connect(app.port, '127.0.0.1');
  const received = new Promise<string>((resolve) => socket.once('data', (part) => resolve(part.toString())));
  socket.write('GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n');
  expect(Number(/\r\nKeep-Alive: timeout=(\d+)\r\n/i.exec(await received)?.[1])).toBeGreaterThan(61);
  // Waits longer than Node's default keep-alive timeout of five seconds.
  await pause(7000);
  const again = new Promise<string>((resolve) => socket.once('data', (part) => resolve(part.toString())));
  socket.write('GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  expect(await again).toMatch(/^HTTP\/1.1 200 /);
  await app.close();
});
