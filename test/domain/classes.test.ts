import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { transaction } from '../../src/db/transaction.ts';
import { schoolYearOf, yearAround } from '../../src/domain/school-years.ts';
import { expectRefusal } from '../support/expect-refusal.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
afterAll(() => app.close());

const types = async (schoolId: string) => (await app.events(schoolId)).map((event) => event.type);

describe('createClass', () => {
  it('creates a class in the current school year and records the event', async () => {
    const { school, administrator } = await app.build.school();
    const made = await app.as(administrator).createClass({ schoolId: app.id('School', school.id), grade: 5, letter: ' а ' });
    expect(made).toMatchObject({ __typename: 'Class', name: '5А', grade: 5, letter: 'А', archivedAt: null });
    const row = await app.db.prisma.class.findFirstOrThrow({ where: { schoolId: school.id }, include: { year: true } });
    expect(row.year.startsOn).toEqual(yearAround(new Date().toISOString().slice(0, 10)).startsOn);
    expect(await app.events(school.id)).toMatchObject([
      { type: 'class.created', payload: { schoolId: school.id, classId: row.id }, actor: `user:${administrator.id}` },
    ]);
  });

  it('keeps letters that are not Cyrillic as they were typed', async () => {
    const { school, administrator } = await app.build.school();
    const make = (letter: string) => app.as(administrator).createClass({ schoolId: app.id('School', school.id), grade: 1, letter });
    expect(await make('b-мат')).toMatchObject({ letter: 'b-МАТ' });
    expect(await make('и\u0306')).toMatchObject({ letter: 'Й' });
  });

  it('checks the length before it looks at single letters, and knows look-alikes with a diaeresis', async () => {
    const { school, administrator } = await app.build.school();
    const make = (letter: string) => app.as(administrator).createClass({ schoolId: app.id('School', school.id), grade: 1, letter });
    expect(await make('Ё')).toMatchObject({ letter: 'Ё' });
    await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['letter'] }, () => make('Ë'));
    expect(await make('Ａ\u0301')).toMatchObject({ letter: 'Á' });
    const normalize = vi.spyOn(String.prototype, 'normalize');
    await expectRefusal(app, school.id, { code: 'INVALID', path: ['letter'] }, () => make('ﬃ'.repeat(15_000)));
    expect(normalize.mock.calls.length).toBeLessThan(1000);
    normalize.mockRestore();
  });

  it('refuses the same name in the same year, and accepts it in another', async () => {
    const { school, administrator } = await app.build.school();
    const input = { schoolId: app.id('School', school.id), grade: 5, letter: 'Б' };
    await app.as(administrator).createClass(input);
    await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['letter'] }, () =>
      app.as(administrator).createClass({ ...input, letter: 'б' }),
    );
    const next = await transaction(app.db, (tx) => schoolYearOf(tx, school.id, new Date(Date.now() + 365 * 86_400_000)));
    const other = await app.as(administrator).createClass({ ...input, schoolYearId: app.id('SchoolYear', next.id) });
    expect(other).toMatchObject({ __typename: 'Class', name: '5Б', year: { id: app.id('SchoolYear', next.id) } });
  });

  it('refuses invalid grades and letters', async () => {
    const { school, administrator } = await app.build.school();
    const make = (grade: number, letter: string) => () =>
      app.as(administrator).createClass({ schoolId: app.id('School', school.id), grade, letter });
    for (const grade of [0, 12, -1]) await expectRefusal(app, school.id, { code: 'INVALID', path: ['grade'] }, make(grade, 'А'));
    for (const letter of ['', '  ', 'а'.repeat(16), 'а\u0000'])
      await expectRefusal(app, school.id, { code: 'INVALID', path: ['letter'] }, make(5, letter));
  });

  it('makes one class for one key', async () => {
    const { school, administrator } = await app.build.school();
    const input = { schoolId: app.id('School', school.id), grade: 7, letter: 'В', idempotencyKey: 'once' };
    const first = await app.as(administrator).createClass(input);
    expect(await app.as(administrator).createClass(input)).toEqual(first);
    expect(await types(school.id)).toEqual(['class.created']);
    await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['idempotencyKey'] }, () =>
      app.as(administrator).createClass({ ...input, grade: 8 }),
    );
  });

  it("refuses a year of another school, and everyone but the school's administrator", async () => {
    const { school, administrator } = await app.build.school();
    const foreign = await app.build.school();
    const year = await transaction(app.db, (tx) => schoolYearOf(tx, foreign.school.id, new Date()));
    const input = { schoolId: app.id('School', school.id), grade: 5, letter: 'А' };
    await expectRefusal(app, school.id, { code: 'NOT_FOUND', path: ['schoolYearId'] }, () =>
      app.as(administrator).createClass({ ...input, schoolYearId: app.id('SchoolYear', year.id) }),
    );
    await expectRefusal(app, school.id, { code: 'NOT_FOUND', path: ['schoolId'] }, () => app.as(foreign.administrator).createClass(input));
    for (const role of ['SCHOOL_ADMINISTRATION', 'TEACHER', 'STUDENT'] as const) {
      const person = await app.build.user({ schoolId: school.id, role });
      await expectRefusal(app, school.id, { code: 'FORBIDDEN', clause: '2.1 b' }, () => app.as(person).createClass(input));
    }
    await expectRefusal(app, school.id, { code: 'UNAUTHENTICATED' }, () => app.anonymous.createClass(input));
  });
});

describe('updateClass', () => {
  it('changes grade or letter, and the sort order with it', async () => {
    const { school, administrator } = await app.build.school();
    const { id } = await app.build.class({ schoolId: school.id, grade: 9, letter: 'А' });
    const answer = await app.as(administrator).updateClass({ classId: app.id('Class', id), grade: 10 });
    expect(answer).toMatchObject({ __typename: 'Class', name: '10А' });
    expect(await app.db.prisma.class.findUniqueOrThrow({ where: { id } })).toMatchObject({ grade: 10, sortKey: '10а' });
    expect(await app.events(school.id)).toMatchObject([{ type: 'class.updated', payload: { classId: id } }]);
  });

  it('changes nothing if nothing is new', async () => {
    const { school, administrator } = await app.build.school();
    const { id } = await app.build.class({ schoolId: school.id, grade: 9, letter: 'А' });
    await app.as(administrator).updateClass({ classId: app.id('Class', id), grade: 9, letter: 'а' });
    expect(await app.events(school.id)).toEqual([]);
  });

  it('refuses a duplicate name, an archived class and a person of another school', async () => {
    const { school, administrator } = await app.build.school();
    const one = await app.build.class({ schoolId: school.id, grade: 9, letter: 'А' });
    await app.build.class({ schoolId: school.id, grade: 9, letter: 'Б' });
    const old = await app.build.class({ schoolId: school.id, archivedAt: new Date() });
    const update = (user: { id: string }, classId: string) => () =>
      app.as(user).updateClass({ classId: app.id('Class', classId), letter: 'Б', grade: 9 });
    await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['letter'] }, update(administrator, one.id));
    await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['classId'] }, update(administrator, old.id));
    const foreign = await app.build.school();
    await expectRefusal(app, school.id, { code: 'NOT_FOUND', path: ['classId'] }, update(foreign.administrator, one.id));
    const teacher = await app.build.teacher({ schoolId: school.id, classTeacherOf: one.id });
    await expectRefusal(app, school.id, { code: 'FORBIDDEN', clause: '2.1 b' }, update(teacher, one.id));
  });
});

describe('archiveClass', () => {
  it('ends the assignments, stops the links and makes the chats read-only, together', async () => {
    const { school, administrator } = await app.build.school();
    const { id: classId } = await app.build.class({ schoolId: school.id });
    const subject = await app.build.subject({ schoolId: school.id });
    const teacher = await app.build.teacher({
      schoolId: school.id,
      classTeacherOf: classId,
      teaches: [{ classId, subjectId: subject.id }],
    });
    const chat = await app.build.chat({ schoolId: school.id, kind: 'CLASS', classId });
    const { invitation } = await app.build.invitation({ schoolId: school.id, role: 'STUDENT', classId });
    const archived = await app.as(administrator).archiveClass({ classId: app.id('Class', classId) });
    expect(archived).toMatchObject({ __typename: 'Class', archivedAt: expect.any(String) });
    expect((await types(school.id)).sort()).toEqual([
      'chat.archived',
      'class.archived',
      'classTeacher.ended',
      'invitation.revoked',
      'subjectTeacher.ended',
    ]);
    const { prisma } = app.db;
    expect(await prisma.assignment.count({ where: { classId, endedAt: null } })).toBe(0);
    expect((await prisma.invitation.findUniqueOrThrow({ where: { id: invitation.id } })).revokedAt).not.toBeNull();
    expect((await prisma.chat.findUniqueOrThrow({ where: { id: chat.id } })).archivedAt).not.toBeNull();
    // The members of the archived chat stay, so that they can still read it.
    expect(await prisma.chatMember.count({ where: { chatId: chat.id, userId: teacher.id } })).toBe(1);
    expect(await app.as(administrator).archiveClass({ classId: app.id('Class', classId) })).toEqual(archived);
    expect(await app.events(school.id)).toHaveLength(5);
  });

  it('is refused while the class has pupils, and says how many', async () => {
    const { school, administrator } = await app.build.school();
    const { id: classId } = await app.build.class({ schoolId: school.id });
    await app.build.student({ classId });
    await app.build.student({ classId });
    const { message } = await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['classId'] }, () =>
      app.as(administrator).archiveClass({ classId: app.id('Class', classId) }),
    );
    expect(message).toContain('2');
  });

  it('is refused to everyone else', async () => {
    const { school } = await app.build.school();
    const { id: classId } = await app.build.class({ schoolId: school.id });
    const leader = await app.build.user({ schoolId: school.id, role: 'SCHOOL_ADMINISTRATION' });
    await expectRefusal(app, school.id, { code: 'FORBIDDEN', clause: '2.1 b' }, () =>
      app.as(leader).archiveClass({ classId: app.id('Class', classId) }),
    );
  });
});

describe('School.classes', () => {
  it('lists the present year in school order, page by page', async () => {
    const { school, administrator } = await app.build.school();
    for (const [grade, letter] of [
      [10, 'А'],
      [5, 'Ж'],
      [5, 'Ё'],
      [5, 'Е'],
      [1, 'Б'],
    ] as const)
      await app.build.class({ schoolId: school.id, grade, letter });
    await app.build.class({ schoolId: school.id, grade: 2, letter: 'А', archivedAt: new Date() });
    const id = app.id('School', school.id);
    const names: string[] = [];
    for (let after: string | undefined, more = true; more;) {
      const page = (await app.as(administrator).classesOfSchool({ id, first: 2, ...(after ? { after } : {}) })) as any;
      names.push(...page.classes.edges.map((edge: any) => edge.node.name));
      more = page.classes.pageInfo.hasNextPage;
      after = page.classes.pageInfo.endCursor;
    }
    expect(names).toEqual(['1Б', '5Е', '5Ё', '5Ж', '10А']);
  });

  it('filters by year, grade and archive, and shows a pupil only the own class', async () => {
    const { school, administrator } = await app.build.school();
    const now = await app.build.class({ schoolId: school.id, grade: 5, letter: 'А' });
    await app.build.class({ schoolId: school.id, grade: 6, letter: 'А' });
    await app.build.class({ schoolId: school.id, grade: 5, letter: 'Б', archivedAt: new Date() });
    const past = await transaction(app.db, (tx) => schoolYearOf(tx, school.id, new Date('2020-10-01T00:00:00Z')));
    await app.db.prisma.class.create({ data: { schoolId: school.id, schoolYearId: past.id, grade: 4, letter: 'А', sortKey: '04а' } });
    const names = async (user: { id: string }, variables: object) => {
      const found = (await app.as(user).classesOfSchool({ id: app.id('School', school.id), ...variables })) as any;
      return found.classes.edges.map((edge: any) => edge.node.name);
    };
    expect(await names(administrator, {})).toEqual(['5А', '6А']);
    expect(await names(administrator, { grade: 5 })).toEqual(['5А']);
    expect(await names(administrator, { grade: 5, includeArchived: true })).toEqual(['5А', '5Б']);
    expect(await names(administrator, { schoolYearId: app.id('SchoolYear', past.id) })).toEqual(['4А']);
    expect(await names(administrator, { schoolYearId: null })).toEqual(['4А', '5А', '6А']);
    expect(await names(await app.build.student({ classId: now.id }), {})).toEqual(['5А']);
  });

  it('needs the same number of statements for many classes as for one', async () => {
    const { school, administrator } = await app.build.school();
    const statements = async () => {
      const sent = vi.spyOn(pg.Client.prototype, 'query');
      await app.as(administrator).classesOfSchool({ id: app.id('School', school.id), first: 100 });
      const count = sent.mock.calls.length;
      sent.mockRestore();
      return count;
    };
    await statements();
    const first = await app.build.class({ schoolId: school.id });
    await app.build.teacher({ schoolId: school.id, classTeacherOf: first.id });
    const ofOne = await statements();
    for (let count = 0; count < 20; count += 1) {
      const { id } = await app.build.class({ schoolId: school.id });
      await app.build.teacher({ schoolId: school.id, classTeacherOf: id });
      await app.build.student({ classId: id });
    }
    expect(await statements()).toBe(ofOne);
  });
});

describe('Class', () => {
  it('shows its year, teacher and size, and is hidden from another school', async () => {
    const { school, administrator } = await app.build.school();
    const { id: classId } = await app.build.class({ schoolId: school.id, grade: 11, letter: 'А' });
    const teacher = await app.build.teacher({ schoolId: school.id, classTeacherOf: classId });
    await app.build.student({ classId });
    const id = app.id('Class', classId);
    expect(await app.as(administrator).classById({ id })).toMatchObject({
      name: '11А',
      studentCount: 1,
      classTeacher: { id: app.id('User', teacher.id) },
      school: { id: app.id('School', school.id) },
      year: { isCurrent: true, name: expect.stringMatching(/^\d{4}\/\d{4}$/) },
    });
    const foreign = await app.build.school();
    expect(await app.as(foreign.administrator).classById({ id })).toBeNull();
  });
});
