import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { where } from '../../src/policy/can.ts';
import { actions, permissions } from '../../src/policy/permissions.ts';
import type { Filter } from '../../src/policy/scopes.ts';
import type { Database } from '../../src/db/client.ts';
import { countByParents } from '../../src/reader/count.ts';
import { RowList } from '../../src/reader/row-view.ts';
import { findRows, findByParents, type SelectOptions } from '../../src/reader/select.ts';
import { resourceTypes } from '../../src/domain/resources.ts';
import { fullWorld, insertWorld, worlds } from '../support/arbitrary-worlds.ts';
import { openTestDatabase } from '../support/database.ts';
import { delegateOf } from '../support/delegates.ts';
import { allFixtures, typeOfNoun } from '../support/fixtures.ts';

/** `select` returns the same rows as Prisma for the same filter, order and limit, with the same value types. */

let db: Database;
beforeAll(async () => {
  db = await openTestDatabase();
});
afterAll(() => db.close());

const fixtures = await allFixtures();
const delegate = (model: string) => delegateOf(db, model);

/** Each noun of the permissions table (src/policy/permissions.ts), with its Prisma model. */
const modelsOfNouns = [...typeOfNoun, ['event', 'Event'] as const];
/** Relations by which a filter reaches a parent row: the model, the relation, the parent's model. */
const through = [
  ...fixtures.flatMap(({ type, nestedIn }) => (nestedIn === undefined ? [] : [[nestedIn.model, nestedIn.relation, type] as const])),
  ['SchoolYear', 'school', 'School'] as const,
];

type Row = Record<string, unknown>;

const orderOf = (model: string) => (model === 'Event' ? [{ schoolId: 'asc' }, { seq: 'asc' }] : [{ id: 'asc' }]);

async function compare(model: string, filter: Filter, says: string): Promise<void> {
  const orderBy = orderOf(model);
  expect(await findRows(db, model, { where: filter, orderBy }), says).toEqual(await delegate(model).findMany({ where: filter, orderBy }));
}

/** Returns one action for each distinct row of the permissions table about the noun. */
const distinctActions = (noun: string) => [
  ...new Map(
    actions.filter((action) => permissions[action].on === noun).map((action) => [JSON.stringify(permissions[action].cells), action]),
  ).values(),
];

it('selects the same rows as Prisma for the filters of every permission, top-level and nested, for every actor', async () => {
  await fc.assert(
    fc.asyncProperty(worlds, async (world) => {
      for (const actor of await insertWorld(db, world))
        for (const [noun, model] of modelsOfNouns)
          for (const action of distinctActions(noun)) {
            const filter = where(actor, action);
            const never = where({ kind: 'anonymous' }, action);
            await compare(model, filter, action);
            await compare(model, { NOT: filter }, `not ${action}`);
            await compare(model, { AND: [{}, { NOT: { OR: [never, { AND: [filter, filter] }] } }] }, `${action}, nested`);
            for (const [outer, relation, of] of through)
              if (of === model) await compare(outer, { [relation]: filter }, `${action} through ${outer}`);
            if (model === 'School') await compare('Class', { year: { school: filter } }, `${action} through the years of classes`);
          }
    }),
    { numRuns: 5, endOnFailure: true },
  );
});

describe('with all rows of a world', () => {
  beforeAll(async () => {
    await insertWorld(db, fullWorld(42));
  });

  it.each([...resourceTypes, 'Event', 'OauthClient'])('reads every column of %s as Prisma does', async (model) => {
    const rows = await findRows<Record<string, unknown>>(db, model, { where: {}, orderBy: orderOf(model) });
    const same = await delegate(model).findMany({ orderBy: orderOf(model) });
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.map((row) => Object.keys(row))).toEqual(same.map((row) => Object.keys(row)));
    for (const [n, row] of rows.entries())
      for (const [name, value] of Object.entries(row)) {
        expect(value, name).toEqual(same[n]![name]);
        expect(Object.prototype.toString.call(value), name).toBe(Object.prototype.toString.call(same[n]![name]));
      }
  });

  it('supports every comparison in use', async () => {
    const rows = await delegate('User').findMany({ orderBy: { id: 'asc' } });
    const { id } = rows[1]! as { id: string };
    for (const filter of [
      { id },
      { id: { not: id } },
      { id: { in: [] } },
      { NOT: { id: { in: [] } } },
      { id: { gt: id } },
      { id: { gte: id } },
      { id: { lt: id } },
      { id: { lte: id } },
      { createdAt: { lte: new Date() } },
      { deactivatedAt: null },
      { deactivatedAt: { not: null } },
      { searchText: { contains: '' } },
      { NOT: [{ id }, { deactivatedAt: { not: null } }] },
      { OR: [{ id }, { id: { gt: id } }], surname: 'Ц' },
    ])
      await compare('User', filter, JSON.stringify(filter));
    const { maxUses } = db.prisma.invitation.fields;
    await compare('Invitation', { useCount: { lt: maxUses } }, 'a column by another');
    await compare('Invitation', { holderId: { equals: id, not: null } }, 'equal, and not null');
    await compare('SchoolYear', { startsOn: new Date('2026-01-01') }, 'a day');
  });

  it.each(['Europe/Moscow', 'America/New_York'])('means the same day in a process of %s', async (zone) => {
    const before = process.env.TZ;
    process.env.TZ = zone;
    try {
      await compare('SchoolYear', { startsOn: new Date('2026-01-01') }, zone);
      expect(await findRows(db, 'SchoolYear', { where: { startsOn: new Date('2026-01-01') } })).not.toEqual([]);
      await compare('Enrolment', { startedAt: { lte: new Date(Date.UTC(2026, 0, 4)) } }, zone);
    } finally {
      if (before === undefined) delete process.env.TZ;
      else process.env.TZ = before;
    }
  });

  it.each<[string, string, Filter]>([
    ['a column that is not there', 'User', { nickname: 'x' }],
    ['an operator', 'User', { surname: { startsWith: 'x' } }],
    ['an operator that every object has', 'User', { surname: { toString: 'x' } }],
    ['an undefined value', 'User', { surname: undefined }],
    ['an undefined value of an operator', 'User', { surname: { equals: undefined } }],
    ['null where it compares nothing', 'User', { surname: { gt: null } }],
    ['null among others', 'User', { id: { in: [null] } }],
    ['an empty condition', 'User', { surname: {} }],
    ['an OR of nothing', 'User', { OR: [] }],
    ['an empty filter in OR', 'User', { OR: [{}] }],
    ['an empty filter in NOT', 'User', { NOT: {} }],
    ['a list that is not asked for some', 'User', { grants: { every: { role: 'TEACHER' } } }],
    ['a list asked for some and more', 'User', { grants: { some: { role: 'TEACHER' }, none: {} } }],
    ['a filter that is none', 'User', { AND: 'all' }],
    ['a model that is not there', 'Nobody', {}],
  ])('refuses %s instead of ignoring it', async (_name, model, filter) => {
    await expect(findRows(db, model, { where: filter })).rejects.toThrow();
  });

  const lists = fixtures.flatMap(({ lists: of = [] }) => of.map(({ parent, relation, along }) => [parent, relation, along] as const));

  it.each(lists)('paginates %s.%s under each parent like Prisma', async (model, list, along) => {
    const parents = (await delegate(model).findMany({})).map((row) => row.id as string);
    const orderBy = [...(along === undefined ? [] : [{ [along]: { sortKey: 'asc' } }]), { id: 'desc' }];
    for (const limit of [1, 2, 100])
      for (const ids of [parents, parents.slice(0, 1), []]) {
        const selection: SelectOptions = { where: {}, orderBy, limit, related: along === undefined ? [] : [`${along}.sortKey`] };
        const found = await findByParents(db, { model, relation: list, parentIds: ids }, selection);
        const same = await delegate(model).findMany({
          where: { id: { in: ids } },
          select: {
            id: true,
            [list]: { orderBy, take: limit, ...(along === undefined ? {} : { include: { [along]: { select: { sortKey: true } } } }) },
          },
        });
        expect(Object.fromEntries(found)).toEqual(Object.fromEntries(same.map((row) => [row.id, row[list]])));
        const viewed = await findByParents<Row>(db, { model, relation: list, parentIds: ids }, { ...selection, asViews: true });
        for (const row of same) {
          const rows = viewed.get(row.id as string)!;
          expect(
            (row[list] as Row[]).map((one, n) => Object.fromEntries(Object.keys(one).map((name) => [name, rows.at(n)![name]]))),
          ).toEqual(row[list]);
          expect(rows).toHaveLength((row[list] as Row[]).length);
        }
      }
  });

  it.each(lists)('counts %s.%s under each parent like Prisma', async (model, list, along) => {
    const parents = (await delegate(model).findMany({})).map((row) => row.id as string);
    const filter = along === undefined ? { NOT: { id: { in: [] } } } : { [along]: { surname: 'Ц' } };
    const same = await delegate(model).findMany({ select: { id: true, [list]: { where: filter, select: { id: true } } } });
    const counts = new Map(same.map((row) => [row.id as string, (row[list] as Row[]).length]));
    for (const parentIds of [parents, parents.slice(0, 1), [randomUUID()], []]) {
      const found = await countByParents(db, { model, relation: list, parentIds }, { filter });
      expect(parentIds.map((id) => found.get(id) ?? 0)).toEqual(parentIds.map((id) => counts.get(id) ?? 0));
    }
  });

  it('counts the different values of a column, and refuses a list that is not there', async () => {
    const grants = await delegate('RoleGrant').findMany({});
    const expected = new Map(
      grants.map(({ schoolId }) => [schoolId, new Set(grants.filter((row) => row.schoolId === schoolId).map((row) => row.userId)).size]),
    );
    const list = { model: 'School', relation: 'grants', parentIds: [...expected.keys()] as string[] };
    expect(await countByParents(db, list, { filter: {}, distinct: 'userId' })).toEqual(expected);
    expect([...expected.values()].reduce((sum, count) => sum + count, 0)).toBeLessThan(grants.length);
    await expect(countByParents(db, { ...list, relation: 'nothing' }, { filter: {} })).rejects.toThrow('School has no list nothing');
  });

  it('reads small pages without ranking and without extra rows; if they are too large it reads again with ranking, and ranks at once from then on', async () => {
    const classIds = (await delegate('Enrolment').findMany({})).map(({ classId }) => classId as string);
    const full = classIds.find((id, n) => classIds.indexOf(id) < n)!;
    const empty = classIds.map(() => randomUUID());
    const texts = async (parentIds: string[]): Promise<string[]> => {
      const sent = vi.spyOn(db.reads, 'query');
      const found = await findByParents<Row>(
        db,
        { model: 'Class', relation: 'enrolments', parentIds },
        { where: {}, orderBy: [{ student: { sortKey: 'desc' } }, { id: 'asc' }], limit: 1 },
      );
      const asked = sent.mock.calls.map(([query]) => (query as unknown as { text: string }).text);
      sent.mockRestore();
      expect(found.get(full)).toHaveLength(1);
      return asked.map((text) => (text.includes('row_number') ? 'ranked' : 'all'));
    };
    expect(await texts([full, ...empty])).toEqual(['all']);
    expect(await texts([...new Set(classIds)])).toEqual(['all', 'ranked']);
    expect(await texts([full, ...empty])).toEqual(['ranked']);
  });

  it('joins the parent row if it passes the filter, and null if it does not', async () => {
    const people = await delegate('User').findMany({});
    const [allowed] = (await delegate('Enrolment').findMany({})).map((row) => row.studentId as string);
    const classes = (await delegate('Class').findMany({})).map((row) => row.id as string);
    const brought = new Map<string, unknown>();
    const found = await findByParents<{ studentId: string; joined: unknown }>(
      db,
      { model: 'Class', relation: 'enrolments', parentIds: classes },
      { where: {}, joined: { relation: 'student', where: { id: allowed } } },
    );
    for (const { studentId, joined } of [...found.values()].flatMap((rows) => [
      ...(rows as unknown as Iterable<{ studentId: string; joined: unknown }>),
    ]))
      brought.set(studentId, joined);
    expect(brought.size).toBeGreaterThan(1);
    for (const [id, along] of brought) expect(along).toEqual(id === allowed ? people.find((person) => person.id === id) : null);
  });

  it.runIf(process.env.ROWS !== 'objects')('fails with the error of a row, and only then', async () => {
    const failing = vi.spyOn(RowList.prototype, 'add').mockImplementationOnce(() => {
      throw new Error('no such row');
    });
    const read = () => findRows<Row>(db, 'User', { where: {}, asViews: true });
    await expect(read()).rejects.toThrow('no such row');
    failing.mockRestore();
    expect((await read()).length).toBeGreaterThan(1);
  });

  it('reads only the columns that are named', async () => {
    const [row] = await findRows(db, 'User', { where: {}, columns: new Set(['id', 'surname']) });
    expect(Object.keys(row as object)).toEqual(['id', 'surname']);
  });
});

it('knows the join columns of every relation of the schema', () => {
  const joined = Object.entries(db.models).flatMap(([name, { relations }]) =>
    [...relations].map(([relation, { own, other, model }]) => `${name}.${relation}: ${own} = ${model}.${other}`),
  );
  expect(joined).toContain('Class.year: school_year_id = SchoolYear.id');
  expect(joined).toContain('User.heldLinks: id = Invitation.holder_id');
  expect(joined).toHaveLength(new Set(joined).size);
  for (const { relations, columns } of Object.values(db.models))
    for (const { own, other, model } of relations.values()) {
      expect([...columns.values()]).toContain(own);
      expect([...db.models[model]!.columns.values()]).toContain(other);
    }
});
