import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Browser, openAuthServer, type AuthServer } from '../../support/auth-server.ts';

let server: AuthServer;
beforeAll(async () => void (server = await openAuthServer()));
afterAll(() => server.close());

async function invited() {
  const { school } = await server.build.school({ name: 'Лицей' });
  const group = await server.build.class({ schoolId: school.id, grade: 5, letter: 'А' });
  const made = await server.build.invited({ schoolId: school.id, classId: group.id, surname: 'Ёлкина', givenName: 'Анна' });
  return { ...made, school, path: `/join/${made.code}`, signInName: `anna.${randomBytes(5).toString('hex')}` };
}

describe('/join/<code> of a personal invitation', () => {
  it('greets by the given name alone, and asks for a login and a password only', async () => {
    const { path, user } = await invited();
    const page = await new Browser(server.url).open(path);
    expect(page.text).toContain('Здравствуйте, Анна!');
    expect(page.text).toContain('<dd>5А</dd>');
    expect(page.text).not.toContain('Ёлкина');
    expect(page.text).not.toContain(user.id);
    expect([...page.text.matchAll(/<input id="(\w+)"/g)].map(([, name]) => name)).toEqual(['signInName', 'password']);
    expect(page.text).not.toContain('account=yes');
  });

  it('joins the person once; then the link is answered like an unknown one', async () => {
    const { path, user, signInName } = await invited();
    const visitor = new Browser(server.url);
    const form = await visitor.open(path);
    const weak = await visitor.submit(form, { signInName, password: 'мало' });
    expect(weak.status).toBe(422);
    const joined = await visitor.submit(weak, { signInName, password: 'длинный и свой' });
    expect(new URL(joined.url).pathname).toBe('/joined');
    expect(await server.db.prisma.user.findUnique({ where: { id: user.id } })).toMatchObject({ signInName, surname: 'Ёлкина' });
    const [again, unknown] = [await visitor.open(path), await visitor.open('/join/unknown')];
    expect([again.status, again.text]).toEqual([404, unknown.text]);
    // Submitting the form that was opened before the person joined changes nothing.
    const late = await visitor.submit(form, { signInName: `${signInName}.2`, password: 'длинный и свой' });
    expect(late.status).toBe(404);
    expect(await server.db.prisma.user.findUnique({ where: { id: user.id } })).toMatchObject({ signInName });
  });
});
