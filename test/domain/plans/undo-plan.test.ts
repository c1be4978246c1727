import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportRoster } from '../../../src/domain/plans/export-roster.ts';
import { writeList } from '../../../src/roster/list-writer.ts';
import { expectRefusal } from '../../support/expect-refusal.ts';
import { importList, pupils, senderOf, type ListRow } from '../../support/import-lists.ts';
import { openSfera, type Sfera } from '../../support/sfera.ts';

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
afterAll(() => app.close());

async function scene() {
  const { school, administrator } = await app.build.school();
  return { school, administrator, by: await senderOf(app, administrator) };
}

/** The bytes of the export: what undoing has to restore. */
const exported = async (schoolId: string): Promise<string> => {
  const { roster } = await exportRoster(app.operator, { schoolId, format: 'ONE_ROSTER_1_2' });
  return JSON.stringify(roster) + writeList(roster).toString();
};

const before: ListRow[] = [
  { name: 'Ёжиков Лев Петрович', class: '5А', birthDate: '01.02.2015' },
  { name: 'Вихрова Анна', class: '5А' },
  { name: 'Петров Пётр Ильич', class: '5Б', startedOn: '02.09.2026' },
  { name: 'Смирнова Ольга Павловна', class: '5А', role: 'Учитель' },
  ...pupils(6, ['5А', '5Б']),
];
/** A move, a new class, a new pupil, pupils who leave. */
const after: ListRow[] = [
  { name: 'Ёжиков Лев Петрович', class: '6А', birthDate: '01.02.2015' },
  { name: 'Петров Пётр Ильич', class: '5А' },
  { name: 'Новиков Ян', class: '5Б' },
  { name: 'Смирнова Ольга Павловна', class: '6А', role: 'Учитель' },
];

describe('undoPlan', () => {
  it('restores the roster byte for byte, with the reverse events, and the same file can be imported again', async () => {
    const { school, by } = await scene();
    await app.build.chat({ schoolId: school.id, kind: 'SCHOOL' });
    await importList(app, by, school.id, before);
    const [roster, members] = [await exported(school.id), await memberships(school.id)];
    const plan = await importList(app, by, school.id, after, { threshold: 100 });
    expect(await exported(school.id)).not.toBe(roster);
    const applied = await app.events(school.id);
    expect(await by.as.undoPlan({ planId: plan.id })).toMatchObject({ __typename: 'Plan', state: 'UNDONE' });
    expect(await exported(school.id)).toBe(roster);
    expect(await memberships(school.id)).toEqual(members);
    const undone = (await app.events(school.id)).slice(applied.length);
    expect(new Set(undone.map(({ type }) => type))).toEqual(
      new Set([
        'student.transferred',
        'student.enrolled',
        'student.withdrawn',
        'role.granted',
        'role.ended',
        'classTeacher.ended',
        'chatMember.added',
        'chatMember.removed',
        'class.archived',
        'plan.undone',
      ]),
    );
    expect(new Set(undone.map(({ causation }) => causation)).size).toBe(1);
    await importList(app, by, school.id, after, { threshold: 100 });
    expect(await app.db.prisma.class.count({ where: { schoolId: school.id, grade: 6, archivedAt: null } })).toBe(1);
  });

  it('of an undone plan changes nothing, and neither can be applied nor undone what never was', async () => {
    const { school, by } = await scene();
    const plan = await importList(app, by, school.id, before);
    await by.as.undoPlan({ planId: plan.id });
    const events = await app.events(school.id);
    expect(await by.as.undoPlan({ planId: plan.id })).toMatchObject({ state: 'UNDONE' });
    expect(await app.events(school.id)).toEqual(events);
    await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['planId'] }, () => by.as.applyPlan({ planId: plan.id }));
  });

  it('refuses while something depends on a row, and names its line', async () => {
    const { school, administrator, by } = await scene();
    const plan = await importList(app, by, school.id, before);
    const undo = () => by.as.undoPlan({ planId: plan.id });
    const { prisma } = app.db;
    const of = (surname: string) => prisma.user.findFirstOrThrow({ where: { surname, grants: { some: { schoolId: school.id } } } });
    const anna = await of('Вихрова');
    await prisma.user.update({ where: { id: anna.id }, data: { joinedAt: new Date() } });
    expect((await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['planId'] }, undo)).message).toContain('строка 3');
    await prisma.user.update({ where: { id: anna.id }, data: { joinedAt: null } });
    const other = await app.build.class({ schoolId: school.id });
    await app.as(administrator).transferStudent({ studentId: app.id('User', anna.id), classId: app.id('Class', other.id) });
    expect((await expectRefusal(app, school.id, { code: 'CONFLICT' }, undo)).message).toContain('строка 3');
  });

  it('refuses a class that others have entered', async () => {
    const { school, by } = await scene();
    const plan = await importList(app, by, school.id, before);
    const ofPlan = await app.db.prisma.class.findFirstOrThrow({ where: { schoolId: school.id, letter: 'Б' } });
    await app.build.student({ classId: ofPlan.id });
    expect((await expectRefusal(app, school.id, { code: 'CONFLICT' }, () => by.as.undoPlan({ planId: plan.id }))).message).toContain(
      'строка 4',
    );
  });

  it('is for administrators alone', async () => {
    const { school, by } = await scene();
    const plan = await importList(app, by, school.id, before);
    const service = await app.asService(school.id, ['read', 'events', 'roster']);
    await expectRefusal(app, school.id, { code: 'NOT_FOUND' }, () => service.undoPlan({ planId: plan.id }));
  });
});

/** The members of the school's chats, as pairs of names. */
async function memberships(schoolId: string): Promise<string[]> {
  const members = await app.db.prisma.chatMember.findMany({ where: { schoolId }, include: { user: true } });
  return members.map(({ chatId, role, user }) => `${chatId} ${role} ${user.surname}`).sort();
}
