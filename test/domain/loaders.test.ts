import pg from 'pg';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { loadPerson } from '../../src/auth/actors.ts';
import { BatchedRows, createLoaders } from '../../src/domain/loaders.ts';
import type { Actor } from '../../src/policy/actor.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';

/**
 * Requests in the same tick of the event loop share statements. Each request still sees only what its own actor may
 * see.
 */

let app: Sfera;
let batchedRows: BatchedRows;
beforeAll(async () => {
  app = await openSfera();
  batchedRows = new BatchedRows(app.db);
});
afterAll(() => app.close());

async function schoolOf() {
  const { school, administrator } = await app.build.school();
  const classes = [await app.build.class({ schoolId: school.id }), await app.build.class({ schoolId: school.id })] as const;
  const student = await app.build.student({ classId: classes[0].id });
  return { school, administrator, classes, student };
}

const actor = async ({ id }: { id: string }): Promise<Actor> => (await loadPerson(app.db, id))!;

/** Returns the result of `read`, and the number of SELECT statements that were sent meanwhile. */
async function counted<T>(read: () => Promise<T>): Promise<[T, number]> {
  const sent = vi.spyOn(pg.Client.prototype, 'query');
  try {
    const result = await read();
    return [result, sent.mock.calls.filter(([first]) => /^select/.test((first as unknown as { text: string }).text)).length];
  } finally {
    sent.mockRestore();
  }
}

it('reads a row for many actors with one statement, and returns to each what the policy allows', async () => {
  const [own, other] = [await schoolOf(), await schoolOf()];
  const actors = [
    await actor(own.administrator),
    await actor(other.administrator),
    await actor(own.student),
    { kind: 'anonymous' } as const,
  ];
  const ids = [...own.classes, ...other.classes].map(({ id }) => id);
  const classesAs = (as: Actor) => {
    const loaders = createLoaders(batchedRows, as);
    return Promise.all(ids.map((id) => loaders.byId('Class', id)));
  };
  const [seen, statements] = await counted(() => Promise.all(actors.map(classesAs)));
  expect(statements).toBe(1);
  expect(seen.map((rows) => rows.map((row, n) => row?.id === ids[n]))).toEqual([
    [true, true, false, false],
    [false, false, true, true],
    [true, false, false, false],
    [false, false, false, false],
  ]);
  const years = await app.db.prisma.schoolYear.findMany({ where: { schoolId: own.school.id } });
  const subject = await app.build.subject({ schoolId: own.school.id });
  const each = await Promise.all(
    actors.map((as) => {
      const loaders = createLoaders(batchedRows, as);
      return Promise.all([
        loaders.byId('School', own.school.id),
        loaders.byId('SchoolYear', years[0]!.id),
        loaders.byId('Subject', subject.id),
      ]);
    }),
  );
  expect(each.map((rows) => rows.map((row) => row !== null))).toEqual([
    [true, true, true],
    [false, false, false],
    [true, true, true],
    [false, false, false],
  ]);
});

it('reads the rows of many users with one statement, and reads them again in the next turn of the event loop', async () => {
  const people = [await app.build.user(), await app.build.user()];
  const read = () => Promise.all([...people, people[0]!].map(({ id }) => batchedRows.loadUser(id)));
  const [rows, statements] = await counted(read);
  expect(statements).toBe(1);
  expect(rows.map((row) => row?.id)).toEqual([...people, people[0]!].map(({ id }) => id));
  await app.db.prisma.user.update({ where: { id: people[0]!.id }, data: { surname: 'Новая' } });
  expect((await read()).map((row) => row?.surname)).toEqual(['Новая', people[1]!.surname, 'Новая']);
});
