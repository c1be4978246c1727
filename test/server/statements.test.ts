import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { openSfera, type Sfera } from '../support/sfera.ts';

/** How many statements an operation costs: one for the rights, one for each level, whatever the number of rows. */

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
afterEach(() => vi.restoreAllMocks());
afterAll(() => app.close());

/** A school with so many classes of so many pupils, and a chat in each. */
async function schoolOf(classes: number, pupils: number) {
  const { school, administrator } = await app.build.school();
  for (let n = 0; n < classes; n += 1) {
    const { id: classId } = await app.build.class({ schoolId: school.id });
    await app.build.teacher({ schoolId: school.id, classTeacherOf: classId });
    for (let m = 0; m < pupils; m += 1) await app.build.student({ classId });
    await app.build.chat({ schoolId: school.id, kind: 'CLASS', classId });
  }
  const ask = app.as(administrator);
  await ask.send('{ viewer { id } }');
  return { id: app.id('School', school.id), ask };
}

/** The statements that an operation sends, without the note of when a session was last seen. */
async function count(of: Awaited<ReturnType<typeof schoolOf>>, query: string): Promise<number> {
  const sent = vi.spyOn(pg.Client.prototype, 'query');
  const { errors } = await of.ask.send(query, { id: of.id });
  expect(errors).toBeUndefined();
  const texts = sent.mock.calls.map(([first]) => (typeof first === 'string' ? first : (first as unknown as { text: string }).text));
  vi.restoreAllMocks();
  return texts.filter((text) => /^\s*(select|with|insert|update|delete)/i.test(text) && !/^\s*update session/i.test(text) && !/event_head where school_id = any/.test(text)).length;
}

describe.each([
  // Rights; the school.
  ['node', 'query ($id: ID!) { node(id: $id) { ... on School { name } } }', 2],
  // Rights; the viewer.
  ['viewer', '{ viewer { fullName } }', 2],
  // Rights; the school; its classes; their pupils' places; the pupils.
  ['a school, its classes and their pupils', 'query ($id: ID!) { node(id: $id) { ... on School { classes(first: 100) { edges { node { name enrolments(first: 30) { edges { node { student { fullName } } } } } } } } } }', 5],
  // Rights; the school; its chats; their members; the people.
  ['a school, its chats and their members', 'query ($id: ID!) { node(id: $id) { ... on School { chats(first: 100) { edges { node { name members(first: 30) { edges { node { role user { fullName } } } } } } } } } }', 5],
])('%s', (_name, query, expected) => {
  it(`costs ${expected} statements, for few rows and for many`, async () => {
    expect(await count(await schoolOf(2, 1), query)).toBe(expected);
    expect(await count(await schoolOf(8, 4), query)).toBe(expected);
  });
});
