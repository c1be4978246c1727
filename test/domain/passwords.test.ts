import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Semaphore } from '../../src/auth/semaphore.ts';
import { signIn } from '../../src/domain/sessions.ts';
import { resetPasswordAsOperator } from '../../src/domain/passwords.ts';
import { mailPasswordLink, setPasswordByLink } from '../../src/domain/password-links.ts';
import { contextFor } from '../../src/http/request-context.ts';
import { person } from '../support/client.ts';
import { expectRefusal } from '../support/expect-refusal.ts';
import { knownPassword, knownPasswordHash } from '../support/passwords.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
afterAll(() => app.close());

const newPassword = 'новый и длинный 8';

async function buildSchool() {
  const { school, administrator } = await app.build.school();
  const teacher = await app.build.teacher({ schoolId: school.id, passwordHash: knownPasswordHash });
  const input = { userId: app.id('User', teacher.id), schoolId: app.id('School', school.id) };
  return { school, administrator, teacher, input };
}

const anonymous = () => contextFor(app, { kind: 'anonymous' }, { acceptLanguage: null, requestId: null, address: null });
const canSignIn = (signInName: string | null, password: string): Promise<boolean> =>
  signIn(anonymous(), { signInName: signInName!, password }).then(
    () => true,
    () => false,
  );
const setByLink = (link: string) => setPasswordByLink(anonymous(), { code: link.split('/').at(-1)!, newPassword });
const openSessions = (userId: string) => app.db.prisma.session.count({ where: { userId, endedAt: null } });

/** Returns what the database stores about a person's password, and the number of open sessions. */
const stored = async (userId: string) => ({
  user: await app.db.prisma.user.findUnique({ where: { id: userId }, select: { passwordHash: true } }),
  links: await app.db.prisma.passwordLink.findMany({ where: { userId } }),
  sessions: await openSessions(userId),
});

describe('signIn', () => {
  it('with a password that is reset while its hash is computed is refused', async () => {
    const { administrator, teacher, input } = await buildSchool();
    expect(await canSignIn(teacher.signInName, knownPassword)).toBe(true);
    const { run } = Semaphore.prototype;
    const computing = vi.spyOn(Semaphore.prototype, 'run').mockImplementationOnce(async function (this: Semaphore, compute) {
      const isCorrect = await run.call(this, compute);
      await app.as(administrator).resetPassword(input);
      return isCorrect;
    });
    expect(await canSignIn(teacher.signInName, knownPassword)).toBe(false);
    computing.mockRestore();
  });
});

describe('resetPassword', () => {
  it('2.1 a — ends the sessions and the former password at once, and returns a link that sets a new one', async () => {
    const { school, administrator, teacher, input } = await buildSchool();
    await app.as(teacher).viewer({});
    const reset = await app.as(administrator).resetPassword(input);
    if (reset.__typename !== 'PasswordLink') throw new Error(reset.message);
    expect(reset.user.id).toBe(input.userId);
    expect(reset.link).toMatch(new RegExp(`^${app.config.publicUrl}/reset/[\\w-]{43}$`));
    const hours = (new Date(reset.expiresAt).getTime() - Date.now()) / 3_600_000;
    expect(Math.round(hours)).toBe(72);
    await expect(app.as(teacher).viewer({})).rejects.toMatchObject({ codes: ['UNAUTHENTICATED'] });
    expect(await canSignIn(teacher.signInName, knownPassword)).toBe(false);
    const rows = await app.db.prisma.passwordLink.findMany({ where: { userId: teacher.id } });
    expect(rows).toHaveLength(1);
    expect(JSON.stringify(rows)).not.toContain(reset.link.split('/').at(-1));
    await setByLink(reset.link);
    expect(await canSignIn(teacher.signInName, newPassword)).toBe(true);
    const payload = { schoolId: school.id, userId: teacher.id };
    expect(await app.events(school.id)).toMatchObject([
      { type: 'session.ended' },
      { type: 'password.reset', payload, topics: [`school:${school.id}`, `user:${teacher.id}`], actor: `user:${administrator.id}` },
      { type: 'password.changed', payload, topics: [`user:${teacher.id}`], actor: 'anonymous' },
    ]);
  });

  it('tells the person, who resumes the events after signing in again', async () => {
    const { school, administrator } = await app.build.school();
    const leader = await app.build.user({ schoolId: school.id, role: 'SCHOOL_ADMINISTRATION', passwordHash: knownPasswordHash });
    const query = `subscription ($schoolId: ID!, $after: String) { events(schoolId: $schoolId, after: $after) { __typename ... on Checkpoint { cursor } ... on EventNotice { cursor event { type } } } }`;
    const schoolId = app.id('School', school.id);
    const stream = await app.as(leader).listen(query, { schoolId });
    await stream.until(({ items }) => items.length > 0);
    const after = stream.items[0]!.cursor as string;
    await app.as(administrator).resetPassword({ userId: app.id('User', leader.id), schoolId });
    await stream.over;
    const { token } = await app.token(leader);
    const { data } = await app
      .as(administrator)
      .send('query ($id: ID!) { node(id: $id) { ... on School { events { edges { node { type } } } } } }', { id: schoolId });
    expect(JSON.stringify(data)).toContain('PASSWORD_RESET');
    const again = person(app.url, token).listen(query, { schoolId, after });
    await again.until(({ news }) => news.some((item) => (item.event as { type: string }).type === 'PASSWORD_RESET'));
    again.close();
  });

  it('sent again, returns another link, and the former one stops working', async () => {
    const { school, administrator, teacher, input } = await buildSchool();
    const links: string[] = [];
    for (let n = 0; n < 2; n++) {
      const reset = await app.as(administrator).resetPassword(input);
      if (reset.__typename === 'PasswordLink') links.push(reset.link);
    }
    await expect(setByLink(links[0]!)).rejects.toMatchObject({ code: 'NOT_FOUND', at: ['code'] });
    await setByLink(links[1]!);
    await expect(setByLink(links[1]!)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await canSignIn(teacher.signInName, newPassword)).toBe(true);
    expect((await app.events(school.id)).map(({ type }) => type)).toEqual(['password.reset', 'password.reset', 'password.changed']);
  });

  it('refuses oneself, people without a sign-in name, deactivated people and people of other schools', async () => {
    const { school, administrator, teacher, input } = await buildSchool();
    const other = await app.build.school();
    const of = (user: { id: string }) => ({ ...input, userId: app.id('User', user.id) });
    const withoutLogin = await app.build.teacher({ schoolId: school.id });
    const deactivated = await app.build.teacher({ schoolId: school.id });
    const elsewhere = await app.build.teacher({ schoolId: school.id, passwordHash: knownPasswordHash });
    await app.db.prisma.user.update({ where: { id: withoutLogin.id }, data: { signInName: null } });
    await app.db.prisma.user.update({ where: { id: deactivated.id }, data: { deactivatedAt: new Date() } });
    await app.db.prisma.roleGrant.create({ data: { schoolId: other.school.id, userId: elsewhere.id, role: 'TEACHER' } });
    await app.as(administrator).viewer({});
    const conflict = { code: 'CONFLICT', path: ['userId'] };
    for (const refused of [administrator, withoutLogin, deactivated, elsewhere]) {
      const before = await stored(refused.id);
      await expectRefusal(app, school.id, conflict, () => app.as(administrator).resetPassword(of(refused)));
      expect(await stored(refused.id)).toEqual(before);
    }
    const message = { message: expect.stringContaining('личное приглашение') };
    expect(await app.as(administrator).resetPassword(of(withoutLogin))).toMatchObject(message);
    await expectRefusal(app, school.id, { code: 'FORBIDDEN', clause: '2.1 a' }, () => app.as(teacher).resetPassword(of(elsewhere)));
    await expectRefusal(app, other.school.id, { code: 'NOT_FOUND', path: ['userId'] }, () =>
      app.as(administrator).resetPassword(of(other.administrator)),
    );
    expect(await stored(teacher.id)).toMatchObject({ user: { passwordHash: knownPasswordHash }, links: [] });
  });

  it('does not reach people of a school where the administrator has another role', async () => {
    const { school, administrator } = await buildSchool();
    const there = await buildSchool();
    await app.db.prisma.roleGrant.create({ data: { schoolId: there.school.id, userId: administrator.id, role: 'TEACHER' } });
    await app.db.prisma.roleGrant.create({
      data: { schoolId: school.id, userId: there.teacher.id, role: 'TEACHER', startedAt: new Date(0), endedAt: new Date() },
    });
    await expectRefusal(app, there.school.id, { code: 'FORBIDDEN' }, () => app.as(administrator).resetPassword(there.input));
    await expectRefusal(app, there.school.id, { code: 'CONFLICT', path: ['userId'] }, () =>
      app.as(administrator).resetPassword({ ...there.input, schoolId: app.id('School', school.id) }),
    );
    expect(await canSignIn(there.teacher.signInName, knownPassword)).toBe(true);
  });
});

describe('resetPasswordAsOperator', () => {
  it('also resets a person with roles in two schools, and records it in both', async () => {
    const { school, teacher } = await buildSchool();
    const other = await app.build.school();
    await app.db.prisma.roleGrant.create({ data: { schoolId: other.school.id, userId: teacher.id, role: 'TEACHER' } });
    const { link } = await resetPasswordAsOperator(app.operator, { signInName: ` ${teacher.signInName!.toUpperCase()} ` });
    await setByLink(link);
    expect(await canSignIn(teacher.signInName, newPassword)).toBe(true);
    for (const { id } of [school, other.school])
      expect(await app.events(id)).toMatchObject([{ type: 'password.reset', actor: 'operator' }, { type: 'password.changed' }]);
  });

  it('finds the only administrator of a school, and refuses a school with several or none', async () => {
    const { school, administrator } = await buildSchool();
    const { user } = await resetPasswordAsOperator(app.operator, { schoolId: school.id });
    expect(user.id).toBe(administrator.id);
    const second = await app.build.user({ schoolId: school.id, role: 'PLATFORM_ADMINISTRATOR' });
    const refused = resetPasswordAsOperator(app.operator, { schoolId: school.id });
    await expect(refused).rejects.toMatchObject({ code: 'CONFLICT', at: ['schoolId'] });
    await expect(refused).rejects.toThrow(second.signInName!);
    await app.db.prisma.roleGrant.updateMany({ where: { schoolId: school.id }, data: { endedAt: new Date() } });
    await expect(resetPasswordAsOperator(app.operator, { schoolId: school.id })).rejects.toMatchObject({ code: 'CONFLICT' });
    await expect(resetPasswordAsOperator(app.operator, { signInName: 'nobody\u0000' })).rejects.toMatchObject({ code: 'INVALID' });
    const nobody = await app.build.user();
    await expect(resetPasswordAsOperator(app.operator, { signInName: nobody.signInName! })).rejects.toMatchObject({ code: 'CONFLICT' });
  });
});

describe('changePassword', () => {
  const change = (more: object = {}) => ({ currentPassword: knownPassword, newPassword, ...more });

  it('2.2 h — sets the new password, and ends the other sessions and the links', async () => {
    const { school, teacher } = await buildSchool();
    await app.token(teacher);
    await app.as(teacher).viewer({});
    await addLink(teacher.id);
    expect(await app.as(teacher).changePassword(change())).toMatchObject({ __typename: 'User', id: app.id('User', teacher.id) });
    expect(await app.as(teacher).viewer({})).toMatchObject({ id: app.id('User', teacher.id) });
    expect(await stored(teacher.id)).toMatchObject({ links: [], sessions: 1 });
    expect([await canSignIn(teacher.signInName, newPassword), await canSignIn(teacher.signInName, knownPassword)]).toEqual([true, false]);
    expect(await app.events(school.id)).toMatchObject([
      { type: 'session.ended' },
      { type: 'password.changed', topics: [`user:${teacher.id}`], actor: `user:${teacher.id}` },
    ]);
  });

  /** Inserts a link that is still valid. */
  const addLink = (userId: string) =>
    app.db.prisma.passwordLink.create({
      data: { userId, channel: 'MAILED', codeHash: Buffer.from(userId), expiresAt: new Date(Date.now() + 60_000) },
    });

  it('refuses a wrong password and a new one that breaks the rules, and ends no session', async () => {
    const { school, teacher } = await buildSchool();
    await app.token(teacher);
    await app.as(teacher).viewer({});
    const before = await stored(teacher.id);
    await expectRefusal(app, school.id, { code: 'INVALID', path: ['currentPassword'] }, () =>
      app.as(teacher).changePassword(change({ currentPassword: 'неверный пароль' })),
    );
    for (const wrong of ['короток', 'х'.repeat(201), teacher.signInName!.toUpperCase(), 'qwerty123', knownPassword])
      await expectRefusal(app, school.id, { code: 'INVALID', path: ['newPassword'] }, () =>
        app.as(teacher).changePassword(change({ newPassword: wrong })),
      );
    expect(await stored(teacher.id)).toEqual(before);
  });

  it('sent again, is refused, because the password is the new one', async () => {
    const { school, teacher } = await buildSchool();
    await app.as(teacher).changePassword(change());
    const before = await stored(teacher.id);
    await expectRefusal(app, school.id, { code: 'INVALID', path: ['currentPassword'] }, () => app.as(teacher).changePassword(change()));
    expect(await stored(teacher.id)).toEqual(before);
  });

  it('of two that are sent at once, one wins', async () => {
    const { school, teacher } = await buildSchool();
    const both = await Promise.all([1, 2].map((n) => app.as(teacher).changePassword(change({ newPassword: `${newPassword}${n}` }))));
    expect(both.map(({ __typename }) => __typename).sort()).toEqual(['Refusal', 'User']);
    expect((await app.events(school.id)).filter(({ type }) => type === 'password.changed')).toHaveLength(1);
  });

  it('refuses a person who signs in without a password of this server', async () => {
    const { school, teacher } = await buildSchool();
    await app.db.prisma.user.update({ where: { id: teacher.id }, data: { signInName: null } });
    await expectRefusal(app, school.id, { code: 'CONFLICT' }, () => app.as(teacher).changePassword(change()));
  });

  it('limits wrong passwords as the sign-in page does, even for one who then knows the right one', async () => {
    const limited = await openSfera({ SIGN_IN_TRIES: '3' });
    const { school } = await limited.build.school();
    const teacher = await limited.build.teacher({ schoolId: school.id, passwordHash: knownPasswordHash });
    const codes: string[] = [];
    for (let n = 0; n < 8; n++) {
      const answer = await limited.as(teacher).changePassword(change({ currentPassword: `неверный ${n}` }));
      codes.push('code' in answer ? answer.code : answer.__typename);
    }
    expect(codes.slice(0, 3)).toEqual(['INVALID', 'INVALID', 'INVALID']);
    expect(codes.at(-1)).toBe('RATE_LIMITED');
    await expectRefusal(limited, school.id, { code: 'RATE_LIMITED' }, () => limited.as(teacher).changePassword(change()));
    await limited.close();
  });
});

it('a server without SMTP sends no link by mail', async () => {
  await expect(mailPasswordLink(anonymous(), { signInName: 'nobody' })).rejects.toMatchObject({ code: 'CONFLICT' });
});
