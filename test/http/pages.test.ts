import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CommitUnknown } from '../../src/db/availability.ts';
import { page as layoutPage, unavailablePage } from '../../src/http/pages/layout.ts';
import { Browser, openAuthServer, password, signInWith, type AuthServer, type Seen } from '../support/auth-server.ts';

let server: AuthServer;
const logged: string[] = [];
beforeAll(async () => void (server = await openAuthServer({}, (line) => logged.push(line))));
afterAll(() => server.close());

const browser = (headers: Record<string, string> = {}) => new Browser(server.url, headers);

async function invitation(of: { maxUses?: number } = {}) {
  const { school } = await server.build.school({ name: 'Школа <script>alert(1)</script> & «Лицей»' });
  const found = await server.build.class({ schoolId: school.id, grade: 5, letter: 'А' });
  const { code } = await server.build.invitation({ schoolId: school.id, role: 'STUDENT', classId: found.id, maxUses: 30, ...of });
  return { code, school, found, path: `/join/${code}` };
}

let count = 0;
const newcomer = (more: Record<string, string> = {}) => ({
  surname: 'Ёлкин',
  givenName: 'Иван',
  patronymic: '',
  signInName: `elkin${(count += 1)}`,
  password: 'ёлка стоит в углу',
  ...more,
});

const attribute = (page: Seen, field: string, name: string) =>
  new RegExp(`<input id="${field}"[^>]*\\s${name}="([^"]*)"`).exec(page.text)?.[1];

/** Opens the sign-in page with an authorization request, as a frontend does. */
async function signInPage(visitor: Browser, client?: { id: string; redirectUri: string }): Promise<Seen> {
  const { id, redirectUri } = client ?? (await server.frontend());
  const query = {
    client_id: id,
    redirect_uri: redirectUri,
    response_type: 'code',
    scope: 'openid',
    code_challenge: 'a'.repeat(43),
    code_challenge_method: 'S256',
  };
  return visitor.open(`/oidc/auth?${new URLSearchParams(query).toString()}`);
}

describe('every page', () => {
  it('has strict security headers: no scripts, framing, referrer or caching', async () => {
    const { path } = await invitation();
    for (const page of [
      await browser().open(path),
      await signInPage(browser()),
      await browser().open('/sessions'),
      await browser().open('/joined'),
    ]) {
      expect(page.status).toBe(200);
      const policy = page.headers.get('content-security-policy')!;
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toContain('unsafe');
      expect(policy).not.toContain('script-src');
      expect(page.headers.get('referrer-policy')).toBe('no-referrer');
      expect(page.headers.get('cache-control')).toBe('no-store');
      expect(page.text).not.toMatch(/<script|style=|\son\w+=/i);
    }
  });

  it('is in Russian unless English is requested or chosen', async () => {
    const { path } = await invitation();
    const title = async (headers: Record<string, string>, address = path) =>
      /<html lang="(\w+)">/.exec((await browser(headers).open(address)).text)?.[1];
    expect(await title({ 'accept-language': '' })).toBe('ru');
    expect(await title({ 'accept-language': 'de, fr;q=0.9' })).toBe('ru');
    expect(await title({ 'accept-language': 'de, en-GB;q=0.8, ru;q=0.5' })).toBe('en');
    expect(await title({ 'accept-language': 'en;q=0.3, ru;q=0.5' })).toBe('ru');
    expect(await title({ 'accept-language': 'ru' }, `${path}?lang=en`)).toBe('en');
  });

  it('accepts a form only from its own pages and from the browser that received it', async () => {
    const { path, school } = await invitation();
    const [mine, other] = [browser(), browser()];
    const page = await mine.open(path);
    const count = () => server.db.prisma.user.count({ where: { grants: { some: { schoolId: school.id } } } });
    const before = await count();
    await other.open(path);
    expect((await other.submit(page, newcomer())).status).toBe(403);
    expect((await browser().submit(page, newcomer())).status).toBe(403);
    for (const form of ['', 'x'.repeat(43), 'ё'.repeat(43)]) expect((await mine.submit(page, { ...newcomer(), form })).status).toBe(403);
    for (const site of ['cross-site', 'same-site'])
      expect((await mine.submit(page, newcomer(), { 'sec-fetch-site': site })).status).toBe(403);
    expect((await mine.submit(page, newcomer(), { 'content-type': 'text/plain' })).status).toBe(422);
    expect((await mine.submit(page, { ...newcomer(), more: 'x'.repeat(20_000) })).status).toBe(413);
    expect(await count()).toBe(before);
    expect((await mine.submit(page, newcomer(), { 'sec-fetch-site': 'same-origin' })).url).toContain('/joined');
  });

  it('on https, sends every cookie over https only', async () => {
    const secure = await openAuthServer({ PUBLIC_URL: 'https://school.example' });
    const client = await secure.frontend();
    const query = {
      client_id: client.id,
      redirect_uri: client.redirectUri,
      response_type: 'code',
      scope: 'openid',
      code_challenge: 'a'.repeat(43),
      code_challenge_method: 'S256',
    };
    const started = await fetch(`${secure.url}/oidc/auth?${new URLSearchParams(query).toString()}`, { redirect: 'manual' });
    expect(started.headers.get('location')).toMatch(/^https:\/\/school\.example\/sign-in\//);
    const { school } = await secure.build.school();
    const { code } = await secure.build.invitation({ schoolId: school.id });
    const cookies = [...started.headers.getSetCookie(), ...(await fetch(`${secure.url}/join/${code}`)).headers.getSetCookie()];
    expect(cookies.length).toBeGreaterThanOrEqual(3);
    for (const cookie of cookies) {
      expect(cookie).toMatch(/;\s*secure/i);
      expect(cookie).toMatch(/;\s*httponly/i);
      expect(cookie).toMatch(/;\s*samesite=lax/i);
    }
    await secure.close();
  });

  it('answers a method that the path does not have with 405', async () => {
    expect((await browser().open('/sessions', { method: 'DELETE' })).status).toBe(405);
    expect((await browser().open('/sessions/end')).status).toBe(405);
  });

  it('answers an unknown path with 404', async () => {
    for (const path of ['/nothing', '/sign-in/', '/join/', '/join/a/b', '/assets/nothing.js', '/assets/constructor', '/joined/x'])
      expect((await browser().open(path)).status).toBe(404);
  });
});

describe('sign-in', () => {
  it('shows errors at the field, and keeps the name but not the password', async () => {
    const { signInName } = await server.teacher();
    const visitor = browser();
    const page = await visitor.submit(await signInPage(visitor), { signInName, password: 'wrong password' });
    expect(page.status).toBe(422);
    expect(attribute(page, 'signInName', 'value')).toBe(signInName);
    expect(attribute(page, 'password', 'value')).toBeUndefined();
    expect(attribute(page, 'password', 'aria-invalid')).toBe('true');
    expect(page.text).toContain(`id="${attribute(page, 'password', 'aria-describedby')!.split(' ')[0]!}"`);
    expect(page.text).not.toContain('wrong password');
    expect((await visitor.submit(page, { signInName: signInName.toUpperCase(), password })).location).toContain('code=');
  });

  it('escapes what it shows again', async () => {
    const visitor = browser();
    const evil = '"><script>alert(1)</script>';
    const page = await visitor.submit(await signInPage(visitor), { signInName: evil, password: 'wrong password' });
    expect(page.text).not.toContain('<script');
    expect(attribute(page, 'signInName', 'value')).toBe('&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;');
  });

  it('gives the same answer for an unknown name, a deactivated person, strange characters and a wrong password', async () => {
    const [known, gone] = [await server.teacher(), await server.teacher()];
    await server.db.prisma.user.update({ where: { id: gone.id }, data: { deactivatedAt: new Date() } });
    const said = async (signInName: string, tried: string) => {
      const visitor = browser();
      const page = await visitor.submit(await signInPage(visitor), { signInName, password: tried });
      return [page.status, /<p class="error"[^>]*>([^<]*)/.exec(page.text)?.[1]];
    };
    const all = [
      await said(known.signInName, 'wrong'),
      await said('nobody.here', password),
      await said(gone.signInName, password),
      await said('a\u0000b', password),
      await said('', ''),
    ];
    expect(new Set(all.map(String)).size).toBe(1);
    expect(all[0]).toEqual([422, 'Неверный логин или пароль.']);
  });

  it('lets its form redirect only to the address of the app', async () => {
    const page = await signInPage(browser());
    expect(page.headers.get('content-security-policy')).toContain("form-action 'self' https://portal.example;");
  });

  it('reports an expired sign-in', async () => {
    expect((await browser().open('/sign-in/none')).text).toContain('Вход был начат слишком давно');
  });

  it('reports an invalid request of an app, without its text', async () => {
    const wrong = await browser().open('/oidc/auth?client_id=%3Cscript%3E&response_type=code');
    expect([wrong.status, wrong.text.includes('<script')]).toEqual([400, false]);
    expect(wrong.text).toContain('Приложение отправило неверный запрос на вход');
  });
});

describe('join', () => {
  it('shows the school, the class and the role, but no people', async () => {
    const { path, school, found } = await invitation();
    await server.build.student({ classId: found.id, surname: 'Секретов' });
    await server.build.teacher({ schoolId: school.id, surname: 'Секретова', classTeacherOf: found.id });
    const { text } = await browser().open(path);
    expect(text).toContain('Школа &lt;script&gt;alert(1)&lt;/script&gt; &amp; «Лицей»');
    expect(text).toContain('5А');
    expect(text).toContain('Ученик');
    expect(text).not.toContain('Секретов');
  });

  it('creates an account that can sign in', async () => {
    const { path, school, found } = await invitation();
    const visitor = browser();
    const who = newcomer();
    const done = await visitor.submit(await visitor.open(path), who);
    expect([done.status, new URL(done.url).pathname]).toEqual([200, '/joined']);
    expect(done.text).not.toContain('Ёлкин');
    const user = await server.db.prisma.user.findUniqueOrThrow({
      where: { signInName: who.signInName },
      include: { grants: true, enrolments: true },
    });
    expect(user).toMatchObject({
      surname: 'Ёлкин',
      patronymic: null,
      grants: [{ schoolId: school.id, role: 'STUDENT' }],
      enrolments: [{ classId: found.id }],
    });
    const page = await visitor.submit(await signInPage(visitor), { signInName: who.signInName, password: who.password });
    expect(page.location).toContain('code=');
  });

  it('shows errors at their fields, and keeps the rest', async () => {
    const { path } = await invitation();
    const visitor = browser();
    const page = await visitor.submit(await visitor.open(path), newcomer({ patronymic: 'Петрович', password: '1234567' }));
    expect(page.status).toBe(422);
    expect(attribute(page, 'patronymic', 'value')).toBe('Петрович');
    expect(attribute(page, 'password', 'aria-describedby')).toBe('password-error password-hint');
    expect(page.text).toContain('В пароле должно быть от 8 до 200 символов.');
    const taken = await server.teacher();
    const again = await visitor.submit(page, newcomer({ signInName: taken.signInName }));
    expect(attribute(again, 'signInName', 'aria-invalid')).toBe('true');
    expect(again.status).toBeGreaterThanOrEqual(400);
  });

  it('accepts a person who already has an account', async () => {
    const { school } = await server.build.school();
    const { code } = await server.build.invitation({ schoolId: school.id, role: 'TEACHER' });
    const person = await server.teacher();
    const visitor = browser();
    const page = await visitor.open(`/join/${code}?account=yes`);
    expect(page.text).not.toContain('name="surname"');
    const wrong = await visitor.submit(page, { signInName: person.signInName, password: 'wrong' });
    expect(wrong.status).toBe(422);
    expect((await visitor.submit(wrong, { signInName: person.signInName, password })).url).toContain('/joined');
    const grants = await server.db.prisma.roleGrant.findMany({ where: { userId: person.id, schoolId: school.id } });
    expect(grants.map(({ role }) => role)).toEqual(['TEACHER']);
  });

  it('reports an unknown invitation', async () => {
    const wrong = await browser().open('/join/AAAAAAAAAAAAAAAAAAAAAAAAAAA');
    expect([wrong.status, wrong.text.includes('Такого приглашения нет')]).toEqual([404, true]);
  });

  it('refuses the form of an invitation whose last seat was taken since', async () => {
    const { path } = await invitation({ maxUses: 1 });
    const [first, second] = [browser(), browser()];
    const [one, two] = [await first.open(path), await second.open(path)];
    expect((await first.submit(one, newcomer())).url).toContain('/joined');
    expect((await second.submit(two, newcomer())).status).toBe(404);
  });

  it('logs no code', async () => {
    const { path, code } = await invitation();
    const visitor = browser();
    await visitor.submit(await visitor.open(path), newcomer({ password: 'short' }));
    await browser().open('/join/BBBBBBBBBBBBBBBBBBBBBBBBBBB');
    expect(logged.join('\n')).not.toContain(code);
    expect(logged.join('\n')).not.toContain('BBBBBBBBBBBBBBBBBBBBBBBBBBB');
  });
});

describe('sessions', () => {
  async function arrived(headers: Record<string, string> = {}) {
    const person = await server.teacher();
    const visitor = browser(headers);
    const page = await visitor.submit(await visitor.open('/sessions'), { signInName: person.signInName, password });
    return { person, visitor, page };
  }
  const active = (userId: string) => server.db.prisma.session.findMany({ where: { userId, endedAt: null }, orderBy: { id: 'asc' } });

  it('are listed with the device, after signing in', async () => {
    const { page, person } = await arrived({
      'user-agent': 'Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/130.0 YaBrowser/24.1 Safari/537.36',
    });
    expect(new URL(page.url).pathname).toBe('/sessions');
    expect(page.text).toContain('Яндекс Браузер, Windows');
    expect(page.text).toContain('Это устройство');
    expect(await active(person.id)).toHaveLength(1);
  });

  it('can be ended one by one or all others at once, but not those of other people', async () => {
    const { visitor, person } = await arrived();
    const stranger = await arrived();
    const phone = browser({ 'user-agent': 'Mozilla/5.0 (iPhone) Safari/604.1' });
    await signInWith(server, phone, await server.frontend(), person.signInName);
    await signInWith(server, phone, await server.frontend(), person.signInName);
    const [own, second, third] = await active(person.id);
    const [foreign] = await active(stranger.person.id);
    const page = await visitor.open('/sessions');
    expect(page.text).toContain('Safari, iPhone');
    const end = (sessionId: string) => visitor.submit(page, { sessionId });
    expect((await end(second!.id)).text).toContain('Готово: вход завершён.');
    expect((await active(person.id)).map(({ id }) => id)).toEqual([own!.id, third!.id]);
    for (const id of [foreign!.id, 'no id', second!.id]) expect((await end(id)).status).toBe(200);
    expect(await active(stranger.person.id)).toHaveLength(1);
    const left = await visitor.open('/sessions');
    const others = left.text.slice(left.text.indexOf('action="/sessions/end-others') - 30);
    await visitor.submit({ ...left, text: others }, {});
    expect((await active(person.id)).map(({ id }) => id)).toEqual([own!.id]);
    const events = await server.db.prisma.event.findMany({
      where: { schoolId: person.schoolId, type: 'session.ended' },
      orderBy: { seq: 'asc' },
    });
    expect(events.map(({ payload, actor }) => [(payload as { sessionId: string }).sessionId, actor])).toEqual(
      [second!, third!].map(({ id }) => [id, `user:${person.id}`]),
    );
  });

  it('the error page after a form links to a page that can be opened', async () => {
    const { visitor, person } = await arrived();
    const [own] = await active(person.id);
    const { pool } = server.db;
    await pool.query(
      `create function fail() returns trigger language plpgsql as $f$ begin raise exception using errcode = '55P03'; end $f$`,
    );
    await pool.query('create trigger fail before update on session for each row execute function fail()');
    try {
      const page = await visitor.submit(await visitor.open('/sessions?lang=en'), { sessionId: own!.id });
      expect(page.status).toBe(503);
      expect(page.text).toContain('The server cannot answer right now. Try again shortly.');
      const [, again] = /<p><a href="([^"]+)">Try again<\/a>/.exec(page.text)!;
      expect(again).toBe('/sessions?lang=en');
      expect((await visitor.open(again!)).status).toBe(200);
    } finally {
      await pool.query('drop trigger fail on session; drop function fail()');
    }
  });

  it('a change that may have been saved is not offered to be repeated', () => {
    const say = (language: 'ru' | 'en') => layoutPage(unavailablePage(language, new CommitUnknown(new Error('cut')), '/sessions'));
    expect(say('ru')).toContain('Неизвестно, сохранилось ли изменение');
    expect(say('en')).toContain('It is unknown whether the change was saved');
    for (const text of [say('ru'), say('en')]) {
      expect(text).toContain('<a href="/sessions">');
      expect(text).not.toMatch(/Попробовать ещё раз|Try again|idempotencyKey/);
    }
  });

  it('the ended browser must sign in again', async () => {
    const { visitor, person } = await arrived();
    const [own] = await active(person.id);
    const page = await visitor.submit(await visitor.open('/sessions'), { sessionId: own!.id });
    expect(page.text).toContain('name="password"');
  });
});

describe('sessions of a browser', () => {
  it('ending the session of an app from elsewhere also signs its browser out of these pages', async () => {
    const person = await server.teacher();
    const stolen = browser();
    const { tokens } = await signInWith(server, stolen, await server.frontend(), person.signInName);
    expect((await stolen.open('/sessions')).text).toContain('Это устройство');
    const credential = await server.tokens.verifyAccessToken(tokens.access_token);
    const own = browser();
    const page = await own.submit(await own.open('/sessions'), { signInName: person.signInName, password });
    await own.submit(page, { sessionId: (credential as { sessionId: string }).sessionId });
    expect((await stolen.open('/sessions')).text).toContain('name="password"');
    expect((await own.open('/sessions')).text).toContain('Это устройство');
  });
});

describe('explorer', () => {
  it('is served by the server alone', async () => {
    const page = await browser().open('/explorer');
    expect(page.status).toBe(200);
    expect(page.headers.get('content-security-policy')).toContain("script-src 'self';");
    const assets = [...page.text.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, address]) => address!);
    expect(assets.every((address) => address.startsWith('/assets/'))).toBe(true);
    for (const address of [
      ...assets,
      '/assets/graphiql.js',
      '/assets/graphiql-editor.worker.js',
      '/assets/graphiql-json.worker.js',
      '/assets/graphiql-graphql.worker.js',
    ]) {
      const asset = await browser().open(address);
      expect([address, asset.status]).toEqual([address, 200]);
      const again = await browser({ 'if-none-match': asset.headers.get('etag')! }).open(address);
      expect(again.status).toBe(304);
    }
  });
});
