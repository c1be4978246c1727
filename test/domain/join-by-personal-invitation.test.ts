import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifyPassword } from '../../src/auth/passwords.ts';
import { expectRefusal } from '../support/expect-refusal.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';

let app: Sfera;
beforeAll(async () => {
  app = await openSfera({ TRUST_PROXY: '1' });
});
afterAll(() => app.close());

const password = 'длинный и свой';

async function world() {
  const { school, administrator } = await app.build.school();
  const group = await app.build.class({ schoolId: school.id, grade: 5, letter: 'А' });
  const chat = await app.build.chat({ schoolId: school.id, kind: 'CLASS', classId: group.id });
  const by = app.as(administrator);
  const created = (await by.createUser({
    schoolId: app.id('School', school.id),
    surname: 'Ёлкина',
    givenName: 'Анна',
    role: 'STUDENT',
    classId: app.id('Class', group.id),
  })) as { id: string; personalInvitation: { link: string } };
  const code = created.personalInvitation.link.split('/').at(-1)!;
  const userId = Buffer.from(created.id, 'base64').toString().split(':')[1]!;
  const signInName = `anna.${randomBytes(5).toString('hex')}`;
  const accept = (more: Partial<{ code: string; signInName: string; password: string }> = {}) =>
    app.anonymous.acceptPersonalInvitation({ code, signInName, password, ...more });
  return { school, administrator, group, chat, by, id: created.id, code, userId, signInName, accept };
}

describe('acceptPersonalInvitation', () => {
  it('2.5 a — gives the person the login and the password, and the person is in the class and its chats', async () => {
    const { school, group, chat, id, userId, signInName, accept } = await world();
    const before = (await app.events(school.id)).length;
    expect(await accept({ signInName: signInName.toUpperCase() })).toMatchObject({ __typename: 'User', id, joinedAt: expect.any(String) });
    const row = await app.db.prisma.user.findUniqueOrThrow({ where: { id: userId } });
    expect(row).toMatchObject({ signInName, surname: 'Ёлкина', givenName: 'Анна', locale: 'ru' });
    expect(await verifyPassword(row.passwordHash, password)).toBe(true);
    expect((await app.events(school.id)).slice(before)).toMatchObject([
      { type: 'personalInvitation.accepted', payload: { schoolId: school.id, userId } },
    ]);
    const query = '{ viewer { enrolment { class { id } } roles { edges { node { role } } } } }';
    expect((await app.as({ id: userId }).send(query)).data).toEqual({
      viewer: { enrolment: { class: { id: app.id('Class', group.id) } }, roles: { edges: [{ node: { role: 'STUDENT' } }] } },
    });
    const seen = await app.as({ id: userId }).send('query ($id: ID!) { node(id: $id) { id } }', { id: app.id('Chat', chat.id) });
    expect(seen.data!.node).toEqual({ id: app.id('Chat', chat.id) });
  });

  it('works once, and a used code is answered like an unknown one', async () => {
    const { school, code, accept } = await world();
    expect(await app.anonymous.personalPreview({ code })).toEqual({
      schoolName: school.name,
      className: '5А',
      role: 'STUDENT',
      isPersonal: true,
    });
    await accept();
    const used = await expectRefusal(app, school.id, { code: 'NOT_FOUND', path: ['code'] }, () => accept({ signInName: 'другое.имя' }));
    expect(await app.anonymous.personalPreview({ code })).toBeNull();
    const unknown = await expectRefusal(app, school.id, { code: 'NOT_FOUND', path: ['code'] }, () => accept({ code: 'unknown' }));
    expect(unknown.message).toBe(used.message);
  });

  it('lets one of two join who send the code at the same time', async () => {
    const { signInName, accept, userId } = await world();
    const answers = (await Promise.all([1, 2, 3].map((n) => accept({ signInName: `${signInName}.${n}` })))) as {
      __typename: string;
      code?: string;
    }[];
    expect(answers.map(({ __typename, code = '' }) => __typename + code).sort()).toEqual(['RefusalNOT_FOUND', 'RefusalNOT_FOUND', 'User']);
    expect(await app.db.prisma.invitationUse.count({ where: { userId } })).toBe(1);
  });

  it('refuses a weak password, an unusable login and a taken one, and the code stays valid', async () => {
    const { school, administrator, userId, accept } = await world();
    await expectRefusal(app, school.id, { code: 'INVALID', path: ['password'] }, () => accept({ password: 'мало' }));
    await expectRefusal(app, school.id, { code: 'INVALID', path: ['signInName'] }, () => accept({ signInName: 'а б' }));
    await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['signInName'] }, () =>
      accept({ signInName: administrator.signInName! }),
    );
    expect(await app.db.prisma.user.findUnique({ where: { id: userId } })).toMatchObject({
      signInName: null,
      passwordHash: null,
      joinedAt: null,
    });
    expect(await accept()).toMatchObject({ __typename: 'User' });
  });

  it('takes no code of other links, and a personal code joins nobody who can sign in', async () => {
    const { school, group, accept, code, userId } = await world();
    const shared = await app.build.invitation({ schoolId: school.id, role: 'STUDENT', classId: group.id });
    await expectRefusal(app, school.id, { code: 'NOT_FOUND', path: ['code'] }, () => accept({ code: shared.code }));
    const stranger = await app.build.user();
    await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['code'] }, () => app.as(stranger).acceptInvitation({ code }));
    expect(await app.db.prisma.enrolment.count({ where: { studentId: stranger.id } })).toBe(0);
    expect(await app.db.prisma.user.findUnique({ where: { id: userId } })).toMatchObject({ joinedAt: null });
  });

  it('limits guesses from an address, but not the right code', async () => {
    const { accept, signInName, code } = await world();
    const from = { 'x-forwarded-for': '203.0.113.77' };
    const query =
      'mutation ($input: AcceptPersonalInvitationInput!) { acceptPersonalInvitation(input: $input) { __typename ... on Refusal { code retryAfter } } }';
    const guess = async (text: string) =>
      (await app.anonymous.send(query, { input: { code: text, signInName, password } }, from)).data!.acceptPersonalInvitation;
    for (let n = 0; n < 20; n++) expect(await guess(`guess-${n}`)).toMatchObject({ code: 'NOT_FOUND' });
    expect(await guess('guess-20')).toMatchObject({ code: 'RATE_LIMITED', retryAfter: expect.any(Number) });
    expect(await guess(code)).toMatchObject({ __typename: 'User' });
    expect(await accept()).toMatchObject({ code: 'NOT_FOUND' });
  });

  it('is not possible for a person whom the school has deactivated', async () => {
    const { school, by, id, accept } = await world();
    await by.deactivateUser({ userId: id, schoolId: app.id('School', school.id) });
    await expectRefusal(app, school.id, { code: 'NOT_FOUND', path: ['code'] }, () => accept());
  });
});
