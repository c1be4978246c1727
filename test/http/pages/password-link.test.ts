import { afterAll, beforeAll, expect, it } from 'vitest';
import { resetPassword } from '../../../src/domain/passwords.ts';
import { Browser, openAuthServer, password, signInWith, type AuthServer, type Seen } from '../../support/auth-server.ts';

/** `/reset/<code>`: a new password by a one-time link. */

let server: AuthServer;
const logged: string[] = [];
beforeAll(async () => void (server = await openAuthServer({ TRUST_PROXY: 'true' }, (line) => logged.push(line))));
afterAll(() => server.close());

const browser = (headers: Record<string, string> = {}) => new Browser(server.url, headers);
const newPassword = 'новый и длинный 8';
const entries = { newPassword, repeatedPassword: newPassword };

async function personWithLink() {
  const person = await server.teacher();
  const { link } = await resetPassword(server.operator, { userId: person.id, schoolId: person.schoolId });
  return { ...person, path: new URL(link).pathname };
}

/** Returns the text of a page without the code of the link and without the key of the form. */
const plain = ({ text }: Seen): string => text.replace(/\/reset\/[\w-]+/g, '/reset/…').replace(/ value="[^"]*"/g, '');

const hashOf = async (id: string) => (await server.db.prisma.user.findUniqueOrThrow({ where: { id } })).passwordHash;

it('sets a new password once, and says what to do next', async () => {
  const { id, schoolId, signInName, path } = await personWithLink();
  const visitor = browser();
  const form = await visitor.open(path);
  expect(form.status).toBe(200);
  expect(form.text).not.toContain('Петрова');
  expect(form.headers.get('cache-control')).toBe('no-store');
  expect(form.headers.get('referrer-policy')).toBe('no-referrer');
  // Opening the link does not use it up. Mail scanners open links too.
  expect((await browser().open(path)).status).toBe(200);
  const done = await visitor.submit(form, entries);
  expect(done).toMatchObject({ status: 200, url: expect.stringContaining('/password/changed') });
  expect(done.text).toContain('Пароль изменён');
  expect((await server.db.prisma.event.findMany({ where: { schoolId } })).map(({ type }) => type)).toContain('password.changed');
  const client = await server.frontend();
  const page = await signInPage(browser(), client);
  expect((await page.visitor.submit(page.seen, { signInName, password: newPassword })).location).toContain(client.redirectUri);
  expect(await server.db.prisma.passwordLink.count({ where: { userId: id } })).toBe(0);
  expect(logged.join('\n')).not.toContain(path.slice('/reset/'.length));
});

/** Opens the sign-in page with an authorization request, as a frontend does. */
async function signInPage(visitor: Browser, client: { id: string; redirectUri: string }) {
  const query = {
    client_id: client.id,
    redirect_uri: client.redirectUri,
    response_type: 'code',
    scope: 'openid',
    code_challenge: 'a'.repeat(43),
    code_challenge_method: 'S256',
  };
  return { visitor, seen: await visitor.open(`/oidc/auth?${new URLSearchParams(query).toString()}`) };
}

it('signs out everywhere, also a browser that remembers the person', async () => {
  const person = await server.teacher();
  const client = await server.frontend();
  const visitor = browser();
  await signInWith(server, visitor, client, person.signInName);
  expect((await signInWith(server, visitor, client, person.signInName)).askedForPassword).toBe(false);
  // Restores the sessions that `resetPassword` ended, so that only the link can end them.
  const { link } = await resetPassword(server.operator, { userId: person.id, schoolId: person.schoolId });
  await server.db.prisma.session.updateMany({ where: { userId: person.id }, data: { endedAt: null } });
  const other = browser();
  await other.submit(await other.open(new URL(link).pathname), entries);
  expect(await server.db.prisma.session.count({ where: { userId: person.id, endedAt: null } })).toBe(0);
  expect((await visitor.open('/sessions')).text).toContain('name="signInName"');
});

it('unknown, used and expired links look alike, for forms too', async () => {
  const [used, expired, deactivated] = [await personWithLink(), await personWithLink(), await personWithLink()];
  const visitor = browser();
  await visitor.submit(await visitor.open(used.path), entries);
  const form = await visitor.open(expired.path);
  await server.db.prisma.passwordLink.updateMany({ where: { userId: expired.id }, data: { expiresAt: new Date() } });
  await server.db.prisma.user.update({ where: { id: deactivated.id }, data: { deactivatedAt: new Date() } });
  const unknown = await visitor.open(`/reset/${'a'.repeat(43)}`);
  expect(unknown.status).toBe(404);
  expect(unknown.text).toContain('Ссылка неверна, уже использована или устарела');
  for (const { path } of [used, expired, deactivated]) {
    const seen = await visitor.open(path);
    expect([seen.status, plain(seen)]).toEqual([404, plain(unknown)]);
  }
  const sent = await visitor.submit(form, entries);
  expect([sent.status, plain(sent)]).toEqual([404, plain(unknown)]);
  expect([await hashOf(expired.id), await hashOf(deactivated.id)]).toEqual([null, null]);
});

it('shows errors at the fields, keeps no password, and leaves the link valid', async () => {
  const { id, signInName, path } = await personWithLink();
  const visitor = browser();
  let page = await visitor.open(path);
  for (const [field, fields] of [
    ['newPassword', { newPassword, repeatedPassword: 'другой и длинный' }],
    ['newPassword', { newPassword: 'короток', repeatedPassword: 'короток' }],
    ['newPassword', { newPassword: signInName.toUpperCase(), repeatedPassword: signInName.toUpperCase() }],
    ['newPassword', { newPassword: 'qwerty123', repeatedPassword: 'qwerty123' }],
  ] as const) {
    page = await visitor.submit(page, fields);
    expect(page.status).toBe(422);
    expect(page.text).toMatch(new RegExp(`<input id="${field}"[^>]* aria-invalid="true"`));
    expect(page.text).not.toContain(fields.newPassword);
    expect(await hashOf(id)).toBeNull();
  }
  expect((await visitor.submit(page, entries)).url).toContain('/password/changed');
});

it('of two people with the same link, one sets the password', async () => {
  const { id, path } = await personWithLink();
  const visitors = [browser(), browser()];
  const forms = await Promise.all(visitors.map((visitor) => visitor.open(path)));
  const answers = await Promise.all(
    visitors.map((visitor, n) => visitor.submit(forms[n]!, { newPassword: `${newPassword}${n}`, repeatedPassword: `${newPassword}${n}` })),
  );
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 404]);
  const changed = await server.db.prisma.event.count({ where: { type: 'password.changed', payload: { path: ['userId'], equals: id } } });
  expect(changed).toBe(1);
});

it('limits unknown codes by address, and still accepts a known one', async () => {
  const { path } = await personWithLink();
  const guesser = browser({ 'x-forwarded-for': '198.51.100.7' });
  const statuses: number[] = [];
  for (let n = 0; n < 22; n++) statuses.push((await guesser.open(`/reset/${'b'.repeat(40)}${100 + n}`)).status);
  expect(statuses).toEqual([...Array.from({ length: 20 }, () => 404), 429, 429]);
  expect((await guesser.open(path)).status).toBe(200);
  expect((await browser({ 'x-forwarded-for': '198.51.100.8' }).open(`/reset/${'c'.repeat(43)}`)).status).toBe(404);
});

it('drops a sign-in that passed the form with the former password but has started no session', async () => {
  const person = await server.teacher();
  const client = await server.frontend();
  const { visitor, seen } = await signInPage(browser(), client);
  // Sends the form without following the redirect that starts the session.
  const key = /<input type="hidden" name="form" value="([^"]*)"/.exec(seen.text)![1]!;
  const answer = await fetch(seen.url, {
    method: 'POST',
    redirect: 'manual',
    headers: { 'content-type': 'application/x-www-form-urlencoded', cookie: visitor.cookies },
    body: new URLSearchParams({ form: key, signInName: person.signInName, password }).toString(),
  });
  const next = answer.headers.get('location')!;
  expect(next).toContain('/oidc/auth/');
  const pending = async () =>
    (await server.db.prisma.oidcPayload.findMany({ where: { model: 'Interaction' } })).filter(({ payload }) =>
      JSON.stringify(payload).includes(person.id),
    ).length;
  expect(await pending()).toBe(1);
  await resetPassword(server.operator, { userId: person.id, schoolId: person.schoolId });
  expect(await pending()).toBe(0);
  expect((await visitor.open(next)).location).toBeUndefined();
  expect(await server.db.prisma.session.count({ where: { userId: person.id } })).toBe(0);
});
