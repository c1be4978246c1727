import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Mail, Mailer } from '../../src/domain/mailer.ts';
import { mailPasswordLink } from '../../src/domain/password-links.ts';
import { contextFor } from '../../src/http/request-context.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
afterAll(() => app.close());

it('looks nobody up and writes nothing before the mail is composed in the background', async () => {
  const { school } = await app.build.school();
  const teacher = await app.build.teacher({ schoolId: school.id });
  await app.db.prisma.user.update({ where: { id: teacher.id }, data: { email: 'teacher@school.example' } });
  const posted: (() => Promise<Mail | null>)[] = [];
  const mailer: Mailer = { post: (compose) => void posted.push(compose) };
  const ctx = { ...contextFor(app, { kind: 'anonymous' }, { acceptLanguage: null, requestId: null, address: null }), mailer };
  for (const signInName of [teacher.signInName!, 'nobody.at.all']) await mailPasswordLink(ctx, { signInName });
  expect(posted).toHaveLength(2);
  expect([await app.db.prisma.passwordLink.count(), await app.events(school.id)]).toEqual([0, []]);
  expect(await posted[0]!()).toMatchObject({ to: 'teacher@school.example' });
  expect(await posted[1]!()).toBeNull();
  expect(await app.db.prisma.passwordLink.count()).toBe(1);
  expect(await app.events(school.id)).toMatchObject([{ type: 'passwordLink.mailed' }]);
});
