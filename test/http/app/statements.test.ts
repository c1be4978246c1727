import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { openSfera, type Sfera } from '../../support/sfera.ts';

/**
 * Number of statements of an operation: one for the actor's rights, and one for each level. It does not depend on the
 * number of rows.
 */

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
afterEach(() => vi.restoreAllMocks());
afterAll(() => app.close());

/** Creates a school with this many classes, pupils in each, and a chat for each. */
async function schoolOf(classes: number, pupils: number) {
  const { school, administrator } = await app.build.school();
  const made = [];
  for (let n = 0; n < classes; n += 1) {
    const found = await app.build.class({ schoolId: school.id });
    made.push(found);
    await app.build.teacher({ schoolId: school.id, classTeacherOf: found.id });
    for (let m = 0; m < pupils; m += 1) await app.build.student({ classId: found.id });
    await app.build.chat({ schoolId: school.id, kind: 'CLASS', classId: found.id });
  }
  const ask = app.as(administrator);
  await ask.send('{ viewer { id } }');
  return { school, id: app.id('School', school.id), classes: made, classId: app.id('Class', made[0]!.id), ask };
}

/**
 * Records statements from now on. Returns a function that returns these statements, without background statements:
 * `last_seen_at` of sessions, the poll of the log, NOTIFY.
 */
function watch() {
  const sent = vi.spyOn(pg.Client.prototype, 'query');
  return () =>
    sent.mock.calls
      .map(([first]) => (typeof first === 'string' ? first : (first as unknown as { text: string }).text))
      .filter(
        (text) =>
          /^\s*(select|with|insert|update|delete)/i.test(text) &&
          !/^\s*update session/i.test(text) &&
          !/event_head where school_id = any|pg_notify/.test(text),
      );
}

async function count(of: Awaited<ReturnType<typeof schoolOf>>, query: string): Promise<number> {
  const statements = watch();
  const { data, errors } = await of.ask.send(query, { id: of.id, classId: of.classId });
  expect(errors).toBeUndefined();
  expect(JSON.stringify(data)).not.toContain('null');
  const all = statements();
  vi.restoreAllMocks();
  return all.length;
}

let few: Awaited<ReturnType<typeof schoolOf>>;
let many: Awaited<ReturnType<typeof schoolOf>>;
beforeAll(async () => {
  few = await schoolOf(2, 1);
  many = await schoolOf(20, 30);
});

const onSchool = (fields: string) => `query ($id: ID!) { node(id: $id) { ... on School { ${fields} } } }`;

describe.each([
  // Statements: the actor's rights.
  ['nothing', '{ __typename }', 1],
  // Statements: the actor's rights; the school.
  ['node', onSchool('name'), 2],
  // Statements: the actor's rights; the viewer.
  ['viewer', '{ viewer { fullName } }', 2],
  // Statements: the actor's rights; the viewer; the class.
  ['the viewer and a class', 'query ($classId: ID!) { viewer { fullName } node(id: $classId) { ... on Class { name } } }', 3],
  // Statements: the actor's rights; the class; its number of pupils; its year; its school; its class teacher.
  [
    'a class with what stands on it',
    'query ($classId: ID!) { node(id: $classId) { ... on Class { name studentCount year { name } school { name } classTeacher { fullName } } } }',
    6,
  ],
  // Statements: the actor's rights; the school; its classes; their enrolments with the pupils.
  [
    'a school, its classes and their pupils',
    onSchool('classes(first: 100) { edges { node { name enrolments(first: 30) { edges { node { student { fullName } } } } } } }'),
    4,
  ],
  // Statements: the actor's rights; the school; its chats; their members with the people.
  [
    'a school, its chats and their members',
    onSchool('chats(first: 100) { edges { node { name members(first: 30) { edges { node { role user { fullName } } } } } } }'),
    4,
  ],
  // Statements: the actor's rights; the school; its people.
  ['a school and its people', onSchool('people(first: 100) { edges { node { fullName } } }'), 3],
])('%s', (_name, query, expected) => {
  it(`costs ${expected} statements, for few rows and for many`, async () => {
    expect(await count(few, query)).toBe(expected);
    expect(await count(many, query)).toBe(expected);
  });
});

// Statements: the actor's rights; the class; the pupil; the locks on the class and the pupil; the role and the latest
// enrolment; the enrolment; the chats; the events.
it('enrols a pupil with nine statements, the last of which is sent with the COMMIT', async () => {
  const { school, classId, ask } = await schoolOf(1, 1);
  const enrol = async () => {
    const { id } = await app.build.user({ schoolId: school.id, role: 'STUDENT' });
    const sent = vi.spyOn(pg.Client.prototype, 'query');
    const statements = watch();
    const enrolled = await ask.enrolStudent({ classId, studentId: app.id('User', id) });
    expect(enrolled.__typename).toBe('Enrolment');
    const all = statements();
    const texts = sent.mock.calls.map(([first]) => (typeof first === 'string' ? first : (first as unknown as { text: string }).text));
    vi.restoreAllMocks();
    return { all, texts };
  };
  await enrol();
  const { all, texts } = await enrol();
  expect(all).toHaveLength(9);
  const [events, commit] = [texts.indexOf(all.at(-1)!), texts.indexOf('commit')];
  expect(all.at(-1)).toContain('event_head');
  expect(commit).toBe(events + 1);
});

it('reads the log once for an event, and each row that it refers to once, for one subscriber', async () => {
  const { school, id, classes, ask } = await schoolOf(1, 1);
  const { id: enrolmentId, studentId } = await app.db.prisma.enrolment.findFirstOrThrow({ where: { schoolId: school.id } });
  const stream = await ask.listen(
    'subscription ($id: ID!) { enrolments(schoolId: $id) { __typename ... on EnrolmentChange { student { fullName } class { name } enrolment { startedAt } } } }',
    { id },
  );
  await stream.until(({ items }) => items.length === 1);
  const statements = watch();
  const events = 5;
  for (let seq = 1; seq <= events; seq += 1) {
    // Written with plain SQL, so that only the statements of the delivery are counted.
    const payload = JSON.stringify({ schoolId: school.id, classId: classes[0]!.id, studentId, enrolmentId });
    await app.db.pool.query(
      `with head as (update event_head set seq = $2 where school_id = $1)
       insert into event (school_id, seq, type, topics, payload, actor, at) values ($1, $2, 'student.enrolled', $3, $4, 'operator', now())`,
      [school.id, seq, [`school:${school.id}`], payload],
    );
    app.notifier.notify([school.id]);
    await stream.until(({ news }) => news.length === seq);
  }
  const all = statements();
  const about = (pattern: RegExp) => all.filter((text) => pattern.test(text)).length;
  // One statement reads the pupil, one the class, and one the enrolment. Each statement includes the permission check.
  expect(about(/^select .* from "public"\."app_user" as "t0"/is)).toBe(events);
  expect(about(/^select .* from "public"\."class" as "t0"/is)).toBe(events);
  expect(about(/^select .* from "public"\."enrolment" as "t0"/is)).toBe(events);
  // The log is read once after NOTIFY, and once more if the poll saw the event first.
  expect(about(/^select seq, type, topics/)).toBeGreaterThanOrEqual(events);
  expect(about(/^select seq, type, topics/)).toBeLessThanOrEqual(2 * events);
  expect(stream.news).toHaveLength(events);
  stream.close();
});
