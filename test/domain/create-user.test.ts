import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectRefusal } from '../support/expect-refusal.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
afterAll(() => app.close());

async function world() {
  const { school, administrator } = await app.build.school();
  const group = await app.build.class({ schoolId: school.id });
  const chat = await app.build.chat({ schoolId: school.id, kind: 'CLASS', classId: group.id });
  const id = { school: app.id('School', school.id), class: app.id('Class', group.id) };
  const pupil = { schoolId: id.school, surname: 'Ёлкина', givenName: 'Анна', role: 'STUDENT', classId: id.class } as const;
  return { school, administrator, group, chat, id, pupil, by: app.as(administrator) };
}

interface Created {
  __typename: string;
  id: string;
  personalInvitation: { link: string };
}

describe('createUser', () => {
  it('2.1 f — creates a pupil of a class who cannot sign in yet, with an invitation of their own', async () => {
    const { school, administrator, chat, id, pupil, by } = await world();
    const externalIds = [{ system: 'Реестр', value: '17' }];
    const created = (await by.createUser({
      ...pupil,
      patronymic: 'Ильинична',
      email: 'a@школа.рф',
      phone: '8 (812) 555-12-34',
      externalIds,
    })) as Created;
    expect(created).toMatchObject({
      surname: 'Ёлкина',
      patronymic: 'Ильинична',
      joinedAt: null,
      contact: { email: 'a@школа.рф', phone: '88125551234', signInName: null },
      externalIds,
      enrolment: { class: { id: id.class } },
      personalInvitation: { status: 'ACTIVE', link: expect.stringMatching(/\/join\/[\w-]{27}$/), expiresAt: expect.any(String) },
    });
    const events = await app.events(school.id);
    expect(events.map(({ type }) => type)).toEqual(['user.created', 'role.granted', 'student.enrolled', 'chatMember.added']);
    expect(new Set(events.map(({ causation }) => causation)).size).toBe(1);
    expect(new Set(events.map(({ actor }) => actor))).toEqual(new Set([`user:${administrator.id}`]));
    expect(JSON.stringify(events.map(({ payload }) => payload))).not.toMatch(/Ёлкина|Реестр|@/);
    const userId = Buffer.from(created.id, 'base64').toString().split(':')[1]!;
    expect(await app.db.prisma.chatMember.findMany({ where: { chatId: chat.id } })).toMatchObject([{ userId, role: 'MEMBER' }]);
    expect(await app.db.prisma.invitation.findMany({ where: { userId } })).toMatchObject([
      { maxUses: 1, useCount: 0, role: 'STUDENT', classId: null, holderId: null, createdById: administrator.id },
    ]);
  });

  it('creates staff without a class, and the same person once for an idempotency key', async () => {
    const { id, by } = await world();
    const input = { schoolId: id.school, surname: 'Ким', givenName: 'Юна', role: 'TEACHER', idempotencyKey: 'k' } as const;
    const first = await by.createUser(input);
    expect(first).toMatchObject({ __typename: 'User', enrolment: null, personalInvitation: { status: 'ACTIVE' } });
    expect(await by.createUser(input)).toEqual(first);
  });

  it('refuses a pupil without a class, a teacher with one, wrong texts, and a class of another school or an archived one', async () => {
    const { school, id, pupil, by } = await world();
    const foreign = await world();
    const archived = await app.build.class({ schoolId: school.id, archivedAt: new Date() });
    const refused = [
      [
        { ...pupil, classId: null },
        { code: 'INVALID', path: ['classId'] },
      ],
      [
        { ...pupil, role: 'TEACHER' },
        { code: 'INVALID', path: ['classId'] },
      ],
      [
        { ...pupil, surname: ' ' },
        { code: 'INVALID', path: ['surname'] },
      ],
      [
        { ...pupil, email: 'нет' },
        { code: 'INVALID', path: ['email'] },
      ],
      [
        { ...pupil, externalIds: [{ system: '', value: '1' }] },
        { code: 'INVALID', path: ['externalIds'] },
      ],
      [
        { ...pupil, classId: foreign.id.class },
        { code: 'NOT_FOUND', path: ['classId'] },
      ],
      [
        { ...pupil, classId: app.id('Class', archived.id) },
        { code: 'CONFLICT', path: ['classId'] },
      ],
    ] as const;
    for (const [input, expected] of refused)
      await expectRefusal(app, school.id, expected as never, () => by.createUser(input as Parameters<typeof by.createUser>[0] & object));
    const people = await app.db.prisma.user.count({ where: { grants: { some: { schoolId: school.id } } } });
    expect(people).toBe(1);
    const teacher = await app.build.teacher({
      schoolId: school.id,
      classTeacherOf: Buffer.from(id.class, 'base64').toString().split(':')[1]!,
    });
    await expectRefusal(app, school.id, { code: 'FORBIDDEN', clause: '2.1 f' }, () => app.as(teacher).createUser(pupil));
  });

  it('refuses an external id that somebody of the school has, and creates nobody', async () => {
    const { school, pupil, by } = await world();
    const externalIds = [{ system: 'Реестр', value: '1' }];
    await by.createUser({ ...pupil, externalIds });
    const before = await app.db.prisma.user.count();
    await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['externalIds'] }, () => by.createUser({ ...pupil, externalIds }));
    expect(await app.db.prisma.user.count()).toBe(before);
  });
});
