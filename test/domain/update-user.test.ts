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
  const teacher = await app.build.teacher({ schoolId: school.id, surname: 'Иваонва', givenName: 'Мария' });
  const input = { schoolId: app.id('School', school.id), userId: app.id('User', teacher.id) };
  return { school, administrator, teacher, input, by: app.as(administrator) };
}

const handSetOf = async ({ id }: { id: string }) => (await app.db.prisma.user.findUniqueOrThrow({ where: { id } })).handSet;

describe('updateUser', () => {
  it('2.1 a — corrects names and contact details, records it, and remembers what was set by hand', async () => {
    const { school, administrator, teacher, input, by } = await world();
    expect(await by.updateUser({ ...input, surname: 'Иванова', email: 'i@example.org' })).toMatchObject({
      fullName: 'Иванова Мария',
      contact: { email: 'i@example.org' },
    });
    expect(await app.events(school.id)).toMatchObject([
      { type: 'user.updated', actor: `user:${administrator.id}`, payload: { schoolId: school.id, userId: teacher.id } },
    ]);
    expect(await handSetOf(teacher)).toEqual(['surname', 'email']);
    expect(await app.db.prisma.user.findUnique({ where: { id: teacher.id } })).toMatchObject({ searchText: 'иванова мария' });
    // Values that equal the stored ones change nothing, and are not recorded as set by hand.
    await by.updateUser({ ...input, surname: 'Иванова', givenName: 'Мария' });
    expect(await handSetOf(teacher)).toEqual(['surname', 'email']);
    expect(await app.events(school.id)).toHaveLength(1);
    await by.updateUser({ ...input, patronymic: 'Ильинична', email: null });
    expect(await handSetOf(teacher)).toEqual(['surname', 'email', 'patronymic']);
  });

  it('is remembered for a profile that the person changes too, which keeps its own event', async () => {
    const { school, teacher } = await world();
    await app.as(teacher).updateProfile({ phone: '+78125551234', locale: 'EN' });
    expect(await handSetOf(teacher)).toEqual(['phone']);
    expect((await app.events(school.id)).map(({ type }) => type)).toEqual(['profile.updated']);
  });

  it('tells every school of the person, but leaves contact details to a person of two schools', async () => {
    const [one, two] = [await world(), await world()];
    await app.db.prisma.roleGrant.create({ data: { schoolId: two.school.id, userId: one.teacher.id, role: 'TEACHER' } });
    await one.by.updateUser({ ...one.input, surname: 'Иванова' });
    for (const { school } of [one, two]) expect((await app.events(school.id)).map(({ type }) => type)).toEqual(['user.updated']);
    await expectRefusal(app, one.school.id, { code: 'CONFLICT', path: ['userId'] }, () =>
      one.by.updateUser({ ...one.input, email: 'mine@example.org' }),
    );
    // After the person has left the first school, its administrator cannot change the name of the person any more.
    await app.db.prisma.roleGrant.updateMany({
      where: { userId: one.teacher.id, schoolId: one.school.id },
      data: { startedAt: new Date(0), endedAt: new Date() },
    });
    await expectRefusal(app, two.school.id, { code: 'CONFLICT', path: ['userId'] }, () =>
      one.by.updateUser({ ...one.input, surname: 'Чужая' }),
    );
  });

  it('refuses wrong texts, everyone but administrators, and people of other schools', async () => {
    const { school, teacher, input, by } = await world();
    const other = await world();
    for (const [path, value] of [
      ['surname', ' '],
      ['email', 'нет'],
      ['phone', '12'],
    ])
      await expectRefusal(app, school.id, { code: 'INVALID', path: [path!] }, () => by.updateUser({ ...input, [path!]: value }));
    await expectRefusal(app, school.id, { code: 'FORBIDDEN', clause: '2.1 a' }, () =>
      app.as(teacher).updateUser({ ...input, surname: 'Петрова' }),
    );
    await expectRefusal(app, other.school.id, { code: 'NOT_FOUND', path: ['userId'] }, () =>
      by.updateUser({ ...input, userId: other.input.userId, surname: 'Чужая' }),
    );
  });
});
