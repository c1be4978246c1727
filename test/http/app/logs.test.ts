import { encodeGlobalID } from '@pothos/plugin-relay';
import { Writable } from 'node:stream';
import { expect, it, vi } from 'vitest';
import { createLogger } from '../../../src/logger.ts';
import { start } from '../../../src/http/bootstrap.ts';
import { Browser } from '../../support/auth-server.ts';
import { createBuild } from '../../support/build.ts';
import { person } from '../../support/client.ts';
import { openTestDatabase } from '../../support/database.ts';
import { testConfig } from '../../support/sfera.ts';
import { ask, json, openSocket } from '../raw-http.ts';

it('logs ids but no names, addresses, codes, passwords or tokens, for any failure', async () => {
  const lines: string[] = [];
  const destination = new Writable({ write: (chunk: Buffer, _encoding, done) => (lines.push(String(chunk)), done()) });
  // Also records the output of libraries that bypasses the logger.
  for (const method of ['log', 'info', 'warn', 'error', 'debug'] as const)
    vi.spyOn(console, method).mockImplementation(
      (...said) => void lines.push(said.map((part) => (part instanceof Error ? (part.stack ?? '') : String(part))).join(' ')),
    );
  const config = await testConfig();
  const running = await start(config, createLogger('debug', destination), await openTestDatabase());
  const build = createBuild(running);
  const url = `http://127.0.0.1:${running.port}/graphql`;
  const { school, administrator } = await build.school();
  const { id: classId } = await build.class({ schoolId: school.id });
  const { code } = await build.invitation({ schoolId: school.id, role: 'STUDENT', classId, maxUses: 2 });

  const browser = new Browser(config.publicUrl);
  const secrets = {
    surname: 'Достоевский',
    givenName: 'Фёдор',
    patronymic: 'Михайлович',
    signInName: 'fedor.tainyi',
    password: 'братья и другие 1880',
  };
  await browser.submit(await browser.open(`/join/${code}`), secrets);
  await browser.open('/join/ThisCodeOpensNothingAtAll');
  const signIn = await browser.open('/sessions');
  await browser.submit(signIn, { signInName: secrets.signInName, password: 'совсем не тот' });

  const { id: sessionId } = await running.db.prisma.session.create({
    data: { userId: administrator.id, clientId: 'tests', expiresAt: new Date(Date.now() + 60_000) },
  });
  const token = await running.tokens.issueAccessToken({ userId: administrator.id, sessionId, clientId: 'tests' });
  const who = person(url, token);
  await who.updateProfile({ email: 'tainyi@example.org', phone: '+78125550101', surname: 'Раскольникова' });
  await who.send('{ viewer { id', {});
  await person(url, `${token}x`).send('{ viewer { id } }');
  await who.createSubject({ schoolId: '0J/RgNC+0LHQsA==', name: 'Тайное вязание' });
  await who.acceptInvitation({ code: 'ThisCodeOpensNothingAtAll' });
  await person(url, (await build.user()).id).send('{ viewer { id } }', { name: 'Тайное вязание' });
  const wrong = { query: 'query ($x: Int) { schools(first: $x) { edges { cursor } } }', variables: { x: 'Тайное вязание' } };
  await ask(url, { headers: json(token), body: JSON.stringify(wrong) });
  await ask(url, {
    method: 'GET',
    path: `/graphql?${new URLSearchParams({ query: '{ viewer { surname } }', variables: '{"x":"Тайное вязание"}' }).toString()}`,
    headers: json(token),
  });
  await ask(url, { headers: json(token), body: '{"query": Тайное вязание' });
  await ask(url, {
    method: 'GET',
    path: `/nothing/${encodeURIComponent(secrets.signInName)}?email=tainyi@example.org&token=${token}`,
    headers: { 'x-request-id': 'tainyi@example.org' },
  });
  for (const said of [{ type: 'connection_init', payload: { authorization: `Bearer ${token}x` } }, `{"type":"${secrets.surname}"}`]) {
    const socket = await openSocket(url);
    socket.send(said);
    await socket.closed;
  }
  // Causes an internal error whose message contains a line that looks like a stack frame.
  const { id: found } = await build.class({ schoolId: school.id });
  const { reads } = running.db;
  const query = reads.query.bind(reads) as (of: { text?: string }) => unknown;
  vi.spyOn(reads, 'query').mockImplementation(((of: { text?: string }) => {
    if (of.text?.includes('from "public"."class"'))
      throw new Error(`Key (surname)=(${secrets.surname}) exists\n    at ${secrets.surname} (${token}:1:1)`);
    return query(of);
  }) as never);
  const internal = await who.send('query ($id: ID!) { node(id: $id) { id } }', { id: encodeGlobalID('Class', found) });
  expect(internal.errors?.map(({ extensions }) => extensions.code)).toEqual(['INTERNAL']);
  expect(JSON.stringify(internal)).not.toContain(secrets.surname);
  // Causes an internal error: the mutation violates this constraint.
  await running.db.pool.query('alter table app_user add constraint broken check (phone is null or char_length(phone) < 13)');
  const { errors } = await who.send('mutation { updateProfile(input: {phone: "+781255501019"}) { __typename } }');
  expect(errors?.[0]?.extensions.code).toBe('INTERNAL');
  expect(errors?.[0]?.message).not.toContain('broken');
  await running.close();

  vi.restoreAllMocks();

  const all = lines.join('');
  expect(lines.length).toBeGreaterThan(5);
  expect(all).toContain('unexpected error');
  for (const secret of [
    ...Object.values(secrets),
    code,
    token,
    'ThisCodeOpensNothingAtAll',
    'совсем не тот',
    'tainyi@example.org',
    '78125550101',
    '781255501019',
    'Раскольникова',
    'Тайное вязание',
    administrator.surname,
  ])
    expect(all).not.toContain(secret);
});
