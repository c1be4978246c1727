import { afterAll, beforeAll, expect, it } from 'vitest';
import { Browser, openAuthServer, password, signInWith, type AuthServer } from '../../support/auth-server.ts';

/** `/password`: signed-in people change their own password. */

let server: AuthServer;
beforeAll(async () => void (server = await openAuthServer()));
afterAll(() => server.close());

const browser = (headers: Record<string, string> = {}) => new Browser(server.url, headers);
const newPassword = 'новый и длинный 8';
const entries = { currentPassword: password, newPassword, repeatedPassword: newPassword };
const openSessions = (userId: string) => server.db.prisma.session.count({ where: { userId, endedAt: null } });

/** Signs in at the form to which `/password` leads, and returns the page that follows. */
async function openSignedIn(visitor: Browser, signInName: string) {
  return visitor.submit(await visitor.open('/password'), { signInName, password });
}

it('leads through the sign-in form and back, in the language of the visitor', async () => {
  const { signInName } = await server.teacher();
  const page = await openSignedIn(browser(), signInName);
  expect(page.url).toBe(`${server.url}/password?lang=ru`);
  expect(page.text).toContain('autocomplete="current-password"');
  const english = await openSignedIn(browser({ 'accept-language': 'en' }), signInName);
  expect(english.url).toBe(`${server.url}/password?lang=en`);
  expect(english.text).toContain('Change your password');
});

it('changes the password, and ends the sessions of other browsers but not this one', async () => {
  const { id, signInName, schoolId } = await server.teacher();
  const client = await server.frontend();
  const other = browser();
  await signInWith(server, other, client, signInName);
  const visitor = browser();
  const page = await openSignedIn(visitor, signInName);
  expect(await openSessions(id)).toBe(2);
  const done = await visitor.submit(page, entries);
  expect(done).toMatchObject({ status: 200, url: expect.stringContaining('/password/changed') });
  expect(await openSessions(id)).toBe(1);
  expect((await visitor.open('/sessions')).text).toContain('Это устройство');
  expect((await other.open('/sessions')).text).toContain('name="signInName"');
  const wrong = browser();
  expect((await wrong.submit(await wrong.open('/sessions'), { signInName, password })).status).toBe(422);
  const right = browser();
  expect((await right.submit(await right.open('/sessions'), { signInName, password: newPassword })).text).toContain('Это устройство');
  expect(await server.db.prisma.event.count({ where: { schoolId, type: 'password.changed' } })).toBe(1);
});

it('shows errors at the fields, and changes nothing', async () => {
  const { id, signInName, schoolId } = await server.teacher();
  const visitor = browser();
  let page = await openSignedIn(visitor, signInName);
  for (const [field, fields] of [
    ['currentPassword', { ...entries, currentPassword: 'неверный пароль' }],
    ['newPassword', { ...entries, repeatedPassword: 'другой и длинный' }],
    ['newPassword', { ...entries, newPassword: 'qwerty123', repeatedPassword: 'qwerty123' }],
    ['newPassword', { ...entries, newPassword: password, repeatedPassword: password }],
  ] as const) {
    page = await visitor.submit(page, fields);
    expect(page.status).toBe(422);
    expect(page.text).toMatch(new RegExp(`<input id="${field}"[^>]* aria-invalid="true"`));
    expect(page.text).not.toContain(fields.newPassword);
  }
  expect(await openSessions(id)).toBe(1);
  expect(await server.db.prisma.event.count({ where: { schoolId, type: 'password.changed' } })).toBe(0);
  expect((await visitor.submit(page, entries)).url).toContain('/password/changed');
});

it('asks a visitor whose session has ended to sign in, and changes nothing', async () => {
  const { id, signInName } = await server.teacher();
  const visitor = browser();
  const page = await openSignedIn(visitor, signInName);
  await server.db.prisma.session.updateMany({ where: { userId: id }, data: { endedAt: new Date() } });
  const before = await server.db.prisma.user.findUnique({ where: { id } });
  expect((await visitor.submit(page, entries)).text).toContain('name="signInName"');
  expect(await server.db.prisma.user.findUnique({ where: { id } })).toEqual(before);
});
