import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeCursor } from '../../../src/events/cursor.ts';
import { trimLogs } from '../../../src/jobs/housekeeping.ts';
import type { User } from '../../../src/db/generated/client.ts';
import type { OpenStream } from '../../support/client.ts';
import { openSfera, type Sfera } from '../../support/sfera.ts';
import { chatsStream, enrolmentsStream, eventsStream } from './streams.ts';

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
afterAll(() => app.close());

/** Creates a school with two classes, their class teachers, and pupils without a class. */
async function setting(pupils = 3) {
  const { school, administrator } = await app.build.school();
  const schoolId = school.id;
  const [a, b] = [await app.build.class({ schoolId }), await app.build.class({ schoolId })];
  const [teacherA, teacherB] = [
    await app.build.teacher({ schoolId, classTeacherOf: a.id }),
    await app.build.teacher({ schoolId, classTeacherOf: b.id }),
  ];
  const students: User[] = [];
  for (let n = 0; n < pupils; n += 1) students.push(await app.build.user({ schoolId, role: 'STUDENT' }));
  const enrol = (student: User, classId: string) =>
    app.as(administrator).enrolStudent({ studentId: app.id('User', student.id), classId: app.id('Class', classId) });
  return { school, schoolId: app.id('School', school.id), administrator, a, b, teacherA, teacherB, students, enrol };
}

const started = (listening: OpenStream) => listening.until(({ items }) => items.length > 0);

describe.each(['listen', 'listenSse'] as const)('subscribing by %s', (transport) => {
  it('delivers each enrolment once, in order, as soon as it is committed', async () => {
    const { administrator, schoolId, students, a, enrol } = await setting();
    const dashboard = await app.as(administrator)[transport](enrolmentsStream, { schoolId });
    await started(dashboard);
    for (const student of students) await enrol(student, a.id);
    await dashboard.until(({ news }) => news.length === students.length);
    expect(dashboard.news.map((item) => item.studentId)).toEqual(students.map(({ id }) => app.id('User', id)));
    expect(dashboard.news[0]).toMatchObject({
      kind: 'ENROLLED',
      class: { id: app.id('Class', a.id) },
      fromClass: null,
      enrolment: { endedAt: null },
    });
    dashboard.close();
  });

  it('resumes from a cursor without a gap or a repeat', async () => {
    const { administrator, schoolId, students, a, enrol } = await setting(4);
    const first = await app.as(administrator)[transport](enrolmentsStream, { schoolId });
    await started(first);
    await enrol(students[0]!, a.id);
    await first.until(({ news }) => news.length === 1);
    first.close();
    await enrol(students[1]!, a.id);
    await enrol(students[2]!, a.id);
    const second = await app.as(administrator)[transport](enrolmentsStream, { schoolId, after: first.news[0]!.cursor });
    await second.until(({ news }) => news.length === 2);
    await enrol(students[3]!, a.id);
    await second.until(({ news }) => news.length === 3);
    expect(second.news.map((item) => item.studentId)).toEqual(students.slice(1).map(({ id }) => app.id('User', id)));
    second.close();
  });

  it('resumes from the result of a query, by asOf', async () => {
    const { administrator, schoolId, students, a, enrol } = await setting(1);
    const { data } = await app.as(administrator).send('query ($id: ID!) { node(id: $id) { ... on School { asOf } } }', { id: schoolId });
    await enrol(students[0]!, a.id);
    const dashboard = await app.as(administrator)[transport](enrolmentsStream, { schoolId, after: (data!.node as { asOf: string }).asOf });
    await dashboard.until(({ news }) => news.length === 1);
    dashboard.close();
  });

  it('delivers only the own class to a class teacher, and nothing to another school', async () => {
    const { schoolId, teacherA, teacherB, students, a, b, enrol, administrator } = await setting(2);
    const other = await setting(0);
    const own = await app.as(teacherA)[transport](enrolmentsStream, { schoolId });
    const otherStream = await app.as(teacherB)[transport](enrolmentsStream, { schoolId });
    await Promise.all([started(own), started(otherStream)]);
    const foreign = await app.as(other.administrator)[transport](enrolmentsStream, { schoolId });
    const { errors } = await foreign.over;
    expect(errors?.map(({ extensions }) => extensions?.code)).toEqual(['NOT_FOUND']);
    await enrol(students[0]!, a.id);
    await enrol(students[1]!, b.id);
    await own.until(({ news }) => news.length === 1);
    await otherStream.until(({ news }) => news.length === 1);
    expect(own.news[0]!.studentId).toBe(app.id('User', students[0]!.id));
    expect(otherStream.news[0]!.studentId).toBe(app.id('User', students[1]!.id));
    await app.as(administrator).transferStudent({ studentId: app.id('User', students[0]!.id), classId: app.id('Class', b.id) });
    await own.until(({ news }) => news.length === 2);
    await otherStream.until(({ news }) => news.length === 2);
    expect(own.news[1]).toMatchObject({ kind: 'TRANSFERRED', fromClass: { id: app.id('Class', a.id) } });
    expect(own.news).toHaveLength(2);
    own.close();
    otherStream.close();
  });

  it('delivers every new chat that the viewer may see', async () => {
    const { schoolId, administrator, teacherA, a } = await setting(0);
    const pupil = await app.build.student({ classId: a.id });
    const dashboard = await app.as(administrator)[transport](chatsStream, { schoolId });
    const member = await app.as(pupil)[transport](chatsStream, { schoolId });
    await Promise.all([started(dashboard), started(member)]);
    const chat = await app.as(teacherA).createChat({ schoolId, kind: 'CLASS', classId: app.id('Class', a.id), name: 'Наш класс' });
    const staff = await app.as(administrator).createChat({ schoolId, kind: 'SCHOOL', name: 'Школа' });
    await dashboard.until(({ news }) => news.length === 2);
    await member.until(({ news }) => news.length === 2);
    const ids = [chat, staff].map((result) => (result.__typename === 'Chat' ? result.id : result.code));
    expect(dashboard.news.map((item) => item.chatId)).toEqual(ids);
    expect(member.news.map((item) => [item.kind, item.chat.name])).toEqual([
      ['CREATED', 'Наш класс'],
      ['CREATED', 'Школа'],
    ]);
    dashboard.close();
    member.close();
  });

  it('refuses made-up cursors and cursors of another school', async () => {
    const { schoolId, administrator, school } = await setting(0);
    const other = await app.build.school();
    const encode = (text: string) => Buffer.from(text).toString('base64url');
    for (const after of ['x', encode(`${school.id}:99999`), encode(`${school.id}:-1`), encode(`${other.school.id}:0`), '\u0000']) {
      const refused = await app.as(administrator)[transport](enrolmentsStream, { schoolId, after });
      expect((await refused.over).errors?.[0]?.extensions?.code).toBe('INVALID');
      refused.close();
    }
  });

  it('answers a cursor older than the log with ResyncRequired', async () => {
    const { schoolId, school, administrator, students, a, enrol } = await setting(2);
    for (const student of students) await enrol(student, a.id);
    const after = Buffer.from(`${school.id}:0`).toString('base64url');
    await trimLogs(app.db, -1);
    const late = await app.as(administrator)[transport](enrolmentsStream, { schoolId, after });
    await late.until(({ items }) => items.length === 1);
    expect(late.items[0]).toMatchObject({ __typename: 'ResyncRequired' });
    await late.over;
    const again = await app.as(administrator)[transport](enrolmentsStream, { schoolId, after: late.items[0]!.oldest });
    await started(again);
    expect(again.items[0]!.__typename).toBe('Checkpoint');
    again.close();
  });
});

it('delivers everything to the administration, numbered without gaps', async () => {
  const { schoolId, school, administrator, students, a, enrol } = await setting(1);
  const after = Buffer.from(`${school.id}:0`).toString('base64url');
  const log = await app.as(administrator).listen(eventsStream, { schoolId, after });
  await started(log);
  await enrol(students[0]!, a.id);
  await app.as(administrator).createSubject({ schoolId, name: 'Физика' });
  await log.until(({ news }) => news.length === 2);
  expect(log.news.map(({ event }) => [event.seq, event.type, event.actorKind])).toEqual([
    ['1', 'STUDENT_ENROLLED', 'user'],
    ['2', 'SUBJECT_CREATED', 'user'],
  ]);
  log.close();
});

it('lets a service subscribe with the scope `events`, and not without it', async () => {
  const { schoolId, school, students, a, enrol } = await setting(1);
  const follower = await app.asService(school.id, ['read', 'events']);
  const reader = await app.asService(school.id, ['read']);
  const stream = follower.listen(enrolmentsStream, { schoolId });
  await started(stream);
  expect((await reader.listen(enrolmentsStream, { schoolId }).over).errors?.[0]?.extensions?.code).toBe('FORBIDDEN');
  await enrol(students[0]!, a.id);
  await stream.until(({ news }) => news.length === 1);
  stream.close();
});

it('leaves no subscriber and no retained school behind', async () => {
  const { schoolId, administrator } = await setting(0);
  const streams = await Promise.all([
    app.as(administrator).listen(enrolmentsStream, { schoolId }),
    app.as(administrator).listenSse(chatsStream, { schoolId }),
  ]);
  await Promise.all(streams.map(started));
  expect(app.liveEvents.rights.stats().subscribers).toBeGreaterThanOrEqual(2);
  for (const stream of streams) stream.close();
  await expect.poll(() => app.liveEvents.rights.stats().subscribers).toBe(0);
  await expect.poll(() => app.liveEvents.reader.stats().schools).toBe(0);
});

it('charges the account for items without a plan, and ends the stream when its budget is used up', async () => {
  const strict = await openSfera({ COST_PER_MINUTE: '100000' });
  try {
    const { school, administrator } = await strict.build.school();
    const schoolId = strict.id('School', school.id);
    const colleague = await strict.build.user({ schoolId: school.id, role: 'PLATFORM_ADMINISTRATOR' });
    const { id: classId } = await strict.build.class({ schoolId: school.id });
    for (let n = 0; n < 28; n += 1) {
      const student = await strict.build.user({ schoolId: school.id, role: 'STUDENT' });
      await strict.as(colleague).enrolStudent({ studentId: strict.id('User', student.id), classId: strict.id('Class', classId) });
    }
    const [first] = await strict.db.prisma.event.findMany({ where: { schoolId: school.id }, orderBy: { seq: 'asc' }, take: 1 });
    // The document has more than 5,000 fields, so the server compiles no plan for it. Judged by its page sizes, an item
    // could have about 4,000 objects. The items of this test have few.
    const person = 'id __typename fullName shortName surname givenName patronymic createdAt deactivatedAt locale';
    const fragments = [1, 2, 3].map(
      (n) =>
        `fragment F${n} on User { ${person} enrolment { student { ...F${n - 1} } } enrolments(first: 1) { edges { node { student { ...F${n - 1} } } } } }`,
    );
    const document = `subscription ($schoolId: ID!, $after: String) { enrolments(schoolId: $schoolId, after: $after) { __typename ... on EnrolmentChange {
      ${Array.from({ length: 29 }, (_, n) => `a${n}: student { ...F3 }`).join(' ')}
      class { enrolments(first: 100) { edges { node { student { enrolments(first: 15) { edges { node { id } } } } } } } } } } }
      fragment F0 on User { ${person} } ${fragments.join(' ')}`;
    const stream = await strict.as(administrator).listen(document, { schoolId, after: encodeCursor(first!) });
    expect((await stream.over).errors?.[0]?.extensions?.code).toBe('RATE_LIMITED');
    expect(stream.items.length).toBeLessThan(28);
  } finally {
    await strict.close();
  }
});
