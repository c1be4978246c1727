import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createUser, fullName, shortName } from '../../src/domain/users.ts';
import { signInNameOf } from '../../src/domain/sign-in-names.ts';
import { transaction } from '../../src/db/transaction.ts';
import { expectRefusal } from '../support/expect-refusal.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
afterAll(() => app.close());

const types = async (schoolId: string) => (await app.events(schoolId)).map((event) => event.type);

describe('names', () => {
  it('are written in full and short, with or without a patronymic', () => {
    expect(fullName({ surname: 'Иванова', givenName: 'Мария', patronymic: 'Петровна' })).toBe('Иванова Мария Петровна');
    expect(shortName({ surname: 'Иванова', givenName: 'Мария', patronymic: 'Петровна' })).toBe('Иванова М. П.');
    expect(shortName({ surname: 'Ким', givenName: 'Юна', patronymic: null })).toBe('Ким Ю.');
    expect(shortName({ surname: 'Ким', givenName: 'А\u0301нна', patronymic: '𐐔' })).toBe('Ким А\u0301. 𐐔.');
  });

  it('to sign in are stored in lower case, and refused if they are too short or have characters that are not allowed', () => {
    expect(signInNameOf(' Ёж.98@Школа ')).toBe('ёж.98@школа');
    for (const wrong of ['аб', 'а'.repeat(65), 'а б в', 'имя!', '名前名前'])
      expect(() => signInNameOf(wrong)).toThrow(expect.objectContaining({ code: 'INVALID' }));
  });
});

describe('createUser', () => {
  const make = (signInName: string) => transaction(app.db, (tx) => createUser(tx, { surname: 'Ёлкин', givenName: 'Пётр', signInName }));

  it('refuses a sign-in name that looks like one that is taken, whatever the alphabet', async () => {
    const word = `${Date.now()}`.replace(/[013]/g, '9');
    for (const [one, ...others] of [
      ['cop', 'сор', 'c0p', 'с0р', 'СОР'],
      ['user-1', 'user-l'],
      ['9б', '96'],
      ['x.a.y', 'х.a.у', 'x.а.y', 'х.а.у'],
    ] as const) {
      await make(`${one}@${word}`);
      for (const other of others)
        await expect(make(`${other}@${word}`), other).rejects.toMatchObject({ code: 'CONFLICT', at: ['signInName'] });
    }
    for (const other of ['сорок', 'user-2', '9в', 'z.a.y'])
      expect(await make(`${other}@${word}`)).toMatchObject({ signInName: `${other}@${word}` });
  });

  it('refuses words of both alphabets', async () => {
    for (const name of ['иванoв', 'ivanов', 'ivan1а', 'а1b', 'иванов@mаil.ru', 'ivanov-Петрoв'])
      await expect(make(name), name).rejects.toMatchObject({ code: 'INVALID', at: ['signInName'] });
  });

  it('accepts one of two look-alike sign-in names that are sent concurrently', async () => {
    const word = `${Date.now()}`.replace(/[013]/g, '9');
    const tries = await Promise.allSettled(['рос', 'poc', 'p0c', 'р0с'].map((name) => make(`${name}-${word}`)));
    expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('finds look-alikes with an index', async () => {
    const { rows } = await app.db.pool.query<{ indexdef: string }>(
      "select indexdef from pg_indexes where indexname = 'app_user_sign_in_name_look_idx'",
    );
    const client = await app.db.pool.connect();
    try {
      await client.query('begin; set local enable_seqscan = off');
      const plan = await client.query(
        "explain select 1 from app_user where translate(sign_in_name, 'асеорху01зб', 'aceopxyol36') = 'cop' limit 1",
      );
      expect(JSON.stringify(plan.rows), rows[0]?.indexdef).toContain('app_user_sign_in_name_look_idx');
    } finally {
      await client.query('rollback');
      client.release();
    }
  });

  it('creates a person, and refuses a second one with the same sign-in name', async () => {
    const signInName = `Пётр.${Date.now()}`;
    const again = () => transaction(app.db, (tx) => createUser(tx, { surname: 'Ёлкин', givenName: ' Пётр ', signInName }));
    expect(await again()).toMatchObject({
      givenName: 'Пётр',
      patronymic: null,
      searchText: 'елкин петр',
      signInName: signInName.toLowerCase(),
    });
    await expect(again()).rejects.toMatchObject({ code: 'CONFLICT', at: ['signInName'] });
  });
});

describe('updateProfile', () => {
  it("changes the viewer's own details, and records an event in every school where the viewer has a role", async () => {
    const [one, two] = [await app.build.school(), await app.build.school()];
    const teacher = await app.build.teacher({ schoolId: one.school.id, surname: 'Ёжикова', givenName: 'Анна' });
    await app.db.prisma.roleGrant.create({ data: { schoolId: two.school.id, userId: teacher.id, role: 'TEACHER' } });
    const changed = await app
      .as(teacher)
      .updateProfile({ surname: 'Петрова', patronymic: 'Ильинична', email: 'a@школа.рф', phone: '+7 (812) 555-12-34', locale: 'EN' });
    expect(changed).toMatchObject({
      fullName: 'Петрова Анна Ильинична',
      locale: 'EN',
      contact: { email: 'a@школа.рф', phone: '+78125551234', signInName: teacher.signInName },
    });
    expect(await app.db.prisma.user.findUnique({ where: { id: teacher.id } })).toMatchObject({ searchText: 'петрова анна ильинична' });
    for (const { school } of [one, two])
      expect(await app.events(school.id)).toMatchObject([
        { type: 'profile.updated', payload: { schoolId: school.id, userId: teacher.id } },
      ]);
    expect(await app.as(teacher).updateProfile({ email: null, patronymic: null })).toMatchObject({
      fullName: 'Петрова Анна',
      contact: { email: null, phone: '+78125551234' },
    });
  });

  it('refuses invalid names, e-mail addresses and phone numbers', async () => {
    const { school, administrator } = await app.build.school();
    for (const [path, value] of [
      ['surname', ' '],
      ['givenName', 'а'.repeat(101)],
      ['email', 'not an address'],
      ['email', 'a@b'],
      ['phone', '12'],
      ['phone', 'позвони'],
    ])
      await expectRefusal(app, school.id, { code: 'INVALID', path: [path!] }, () =>
        app.as(administrator).updateProfile({ [path!]: value }),
      );
    await expectRefusal(app, school.id, { code: 'UNAUTHENTICATED' }, () => app.anonymous.updateProfile({ surname: 'Петрова' }));
    await expectRefusal(app, school.id, { code: 'FORBIDDEN' }, async () =>
      (await app.asService(school.id)).updateProfile({ surname: 'Петрова' }),
    );
  });
});

describe('User.contact', () => {
  it('is shown to the administration, to the class teacher and to oneself', async () => {
    const { school, administrator } = await app.build.school();
    const group = await app.build.class({ schoolId: school.id });
    const subject = await app.build.subject({ schoolId: school.id });
    const pupil = await app.build.student({ classId: group.id });
    const classmate = await app.build.student({ classId: group.id });
    const own = await app.build.teacher({ schoolId: school.id, classTeacherOf: group.id });
    const other = await app.build.teacher({ schoolId: school.id, teaches: [{ classId: group.id, subjectId: subject.id }] });
    const contactFor = async (user: { id: string }) =>
      ((await app.as(user).userById({ id: app.id('User', pupil.id) })) as { contact: unknown }).contact;
    for (const user of [administrator, own, pupil]) expect(await contactFor(user)).toMatchObject({ signInName: pupil.signInName });
    for (const user of [classmate, other]) expect(await contactFor(user)).toBeNull();
  });

  it('costs as many statements for many people as for one', async () => {
    const { school, administrator } = await app.build.school();
    const group = await app.build.class({ schoolId: school.id });
    const statements = async () => {
      const sent = vi.spyOn(pg.Client.prototype, 'query');
      await app.as(administrator).contactsOfPeople({ id: app.id('School', school.id), role: 'STUDENT' });
      const count = sent.mock.calls.length;
      sent.mockRestore();
      return count;
    };
    await app.build.student({ classId: group.id });
    await statements();
    const ofOne = await statements();
    for (let count = 0; count < 15; count++) await app.build.student({ classId: group.id });
    expect(await statements()).toBe(ofOne);
  });
});

describe('deactivateUser', () => {
  it('ends roles, work, chats and sessions together', async () => {
    const { school, administrator } = await app.build.school();
    const group = await app.build.class({ schoolId: school.id });
    const teacher = await app.build.teacher({ schoolId: school.id, classTeacherOf: group.id });
    const chat = await app.build.chat({ schoolId: school.id, kind: 'CLASS', classId: group.id });
    expect(await app.as(teacher).viewer({})).toMatchObject({ id: app.id('User', teacher.id) });
    const input = { userId: app.id('User', teacher.id), schoolId: app.id('School', school.id) };
    const done = await app.as(administrator).deactivateUser(input);
    expect(done).toMatchObject({ __typename: 'User', id: input.userId, deactivatedAt: expect.any(String) });
    const current = { where: { userId: teacher.id, endedAt: null } };
    expect(await app.db.prisma.roleGrant.count(current)).toBe(0);
    expect(await app.db.prisma.assignment.count(current)).toBe(0);
    expect(await app.db.prisma.session.count(current)).toBe(0);
    expect(await app.db.prisma.chatMember.findMany({ where: { chatId: chat.id } })).toMatchObject([
      { userId: administrator.id, role: 'MODERATOR' },
    ]);
    expect(new Set(await types(school.id))).toEqual(
      new Set([
        'session.ended',
        'classTeacher.ended',
        'role.ended',
        'chatMember.removed',
        'chatMember.added',
        'chatMember.promoted',
        'user.deactivated',
      ]),
    );
    await expect(app.as(teacher).viewer({})).rejects.toMatchObject({ codes: ['UNAUTHENTICATED'] });
    const before = await types(school.id);
    expect(await app.as(administrator).deactivateUser(input)).toEqual(done);
    expect(await types(school.id)).toEqual(before);
  });

  it("ends a pupil's place in the class", async () => {
    const { school, administrator } = await app.build.school();
    const pupil = await app.build.student({ classId: (await app.build.class({ schoolId: school.id })).id });
    await app.as(administrator).deactivateUser({ userId: app.id('User', pupil.id), schoolId: app.id('School', school.id) });
    expect(await app.db.prisma.enrolment.count({ where: { studentId: pupil.id, endedAt: null } })).toBe(0);
    expect(await types(school.id)).toContain('student.withdrawn');
  });

  it('refuses the last administrator, people of other schools, and every caller but an administrator', async () => {
    const { school, administrator } = await app.build.school();
    const other = await app.build.school();
    const teacher = await app.build.teacher({ schoolId: school.id });
    await app.db.prisma.roleGrant.create({ data: { schoolId: other.school.id, userId: teacher.id, role: 'TEACHER' } });
    const input = (user: { id: string }, at = school) => ({ userId: app.id('User', user.id), schoolId: app.id('School', at.id) });
    await expectRefusal(app, school.id, { code: 'CONFLICT' }, () => app.as(administrator).deactivateUser(input(administrator)));
    await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['userId'] }, () => app.as(administrator).deactivateUser(input(teacher)));
    await expectRefusal(app, school.id, { code: 'FORBIDDEN', clause: '2.1 a' }, () => app.as(teacher).deactivateUser(input(administrator)));
    await expectRefusal(app, school.id, { code: 'NOT_FOUND', path: ['userId'] }, () =>
      app.as(administrator).deactivateUser(input(other.administrator)),
    );
    // An administrator here who is a teacher there does not deactivate people there.
    await app.db.prisma.roleGrant.create({ data: { schoolId: other.school.id, userId: administrator.id, role: 'TEACHER' } });
    const moved = await app.build.teacher({ schoolId: other.school.id });
    await app.db.prisma.roleGrant.create({
      data: { schoolId: school.id, userId: moved.id, role: 'TEACHER', startedAt: new Date(0), endedAt: new Date() },
    });
    await expectRefusal(app, other.school.id, { code: 'FORBIDDEN' }, () =>
      app.as(administrator).deactivateUser(input(moved, other.school)),
    );
    expect(
      await app.db.prisma.user.count({ where: { id: { in: [administrator.id, teacher.id, moved.id] }, deactivatedAt: { not: null } } }),
    ).toBe(0);
  });
});
