import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectRefusal } from '../support/expect-refusal.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
afterAll(() => app.close());

describe('createSubject', () => {
  it('creates a subject and records the event', async () => {
    const { school, administrator } = await app.build.school();
    const made = await app.as(administrator).createSubject({ schoolId: app.id('School', school.id), name: ' Русский  язык ' });
    expect(made).toMatchObject({ __typename: 'Subject', name: 'Русский язык', school: { id: app.id('School', school.id) } });
    const { id } = await app.db.prisma.subject.findFirstOrThrow({ where: { schoolId: school.id } });
    expect(await app.events(school.id)).toMatchObject([{ type: 'subject.created', payload: { schoolId: school.id, subjectId: id } }]);
  });

  it('refuses the same name in any letter case, and an empty name', async () => {
    const { school, administrator } = await app.build.school();
    const create = (name: string) => () => app.as(administrator).createSubject({ schoolId: app.id('School', school.id), name });
    await create('Алгебра')();
    await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['name'] }, create('АЛГЕБРА'));
    for (const name of ['', ' ', 'а'.repeat(101), 'а\u0007'])
      await expectRefusal(app, school.id, { code: 'INVALID', path: ['name'] }, create(name));
  });

  it.each([
    ['Химия', 'Химиѐ'],
    ['Groß', 'GROẞ'],
    ['5Ё', '5Ë'],
    ['Rhône-Alpes', 'rhône alpes'],
  ])('refuses %s beside %s, in either order', async (...names) => {
    for (const [first, second] of [names, names.toReversed()]) {
      const { school, administrator } = await app.build.school();
      const create = (name: string) => app.as(administrator).createSubject({ schoolId: app.id('School', school.id), name });
      expect(await create(first!)).toMatchObject({ __typename: 'Subject' });
      await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['name'] }, () => create(second!));
    }
  });

  it("refuses everyone but the school's administrator", async () => {
    const { school } = await app.build.school();
    const foreign = await app.build.school();
    const input = { schoolId: app.id('School', school.id), name: 'Химия' };
    await expectRefusal(app, school.id, { code: 'NOT_FOUND', path: ['schoolId'] }, () =>
      app.as(foreign.administrator).createSubject(input),
    );
    for (const role of ['SCHOOL_ADMINISTRATION', 'TEACHER', 'STUDENT'] as const) {
      const person = await app.build.user({ schoolId: school.id, role });
      await expectRefusal(app, school.id, { code: 'FORBIDDEN', clause: '2.1 g' }, () => app.as(person).createSubject(input));
    }
  });
});

describe('School.subjects', () => {
  it('lists them in the order of the alphabet, page by page, to a pupil too', async () => {
    const { school } = await app.build.school();
    const { id: classId } = await app.build.class({ schoolId: school.id });
    const pupil = await app.build.student({ classId });
    for (const name of ['Физика', 'алгебра', 'История', 'Ёлка', 'Естествознание', 'Жизнь'])
      await app.build.subject({ schoolId: school.id, name });
    const id = app.id('School', school.id);
    const first = (await app.as(pupil).subjectsOfSchool({ id, first: 4 })) as any;
    const rest = (await app.as(pupil).subjectsOfSchool({ id, after: first.subjects.pageInfo.endCursor })) as any;
    const names = [first, rest].flatMap((page) => page.subjects.edges.map((edge: any) => edge.node.name));
    expect(names).toEqual(['алгебра', 'Естествознание', 'Ёлка', 'Жизнь', 'История', 'Физика']);
    expect(rest.subjects.pageInfo.hasNextPage).toBe(false);
  });
});
