import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { fullName, insertUser, shortName } from '../../src/domain/users.ts';
import { signInNameOf } from '../../src/domain/sign-in-names.ts';
import { transaction } from '../../src/db/transaction.ts';
import { expectRefusal } from '../support/expect-refusal.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
afterAll(() => app.close());

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

describe('insertUser', () => {
  const make = (signInName: string) => transaction(app.db, (tx) => insertUser(tx, { surname: 'Ёлкин', givenName: 'Пётр', signInName }));

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
    const again = () => transaction(app.db, (tx) => insertUser(tx, { surname: 'Ёлкин', givenName: ' Пётр ', signInName }));
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
