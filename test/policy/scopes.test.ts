import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { actorName, type Actor } from '../../src/policy/actor.ts';
import { can, everCan, where } from '../../src/policy/can.ts';
import { actions, permissions, scopes, type Action, type Noun } from '../../src/policy/permissions.ts';
import type { Filter } from '../../src/policy/scopes.ts';
import type { Database } from '../../src/db/client.ts';
import { loadFacts, resources } from '../../src/domain/resources.ts';
import { insertWorld, worlds } from '../support/arbitrary-worlds.ts';
import { openTestDatabase } from '../support/database.ts';
import { delegateOf, type AnyRow } from '../support/delegates.ts';
import { loadFixtures, typeOfNoun } from '../support/fixtures.ts';

/**
 * Every scope exists twice: as a predicate and as a database filter. Both select the same rows, also if the filter is
 * nested in a relation.
 */

let db: Database;
beforeAll(async () => {
  db = await openTestDatabase();
});
afterAll(() => db.close());

const fixtures = await loadFixtures();
const nouns = Object.keys(scopes) as Noun[];

/** Returns the Prisma model of a noun. `event` is not a resource, so `typeOfNoun` lacks it. */
const modelOf = (noun: Noun): string => (noun === 'event' ? 'Event' : typeOfNoun.get(noun)!);
const keyOf = (noun: Noun) => (row: AnyRow) => (noun === 'event' ? `${row.schoolId}:${row.seq}` : (row.id as string));
const nestedIn = (noun: Noun) => (noun === 'event' ? undefined : fixtures.get(typeOfNoun.get(noun)!)!.nestedIn);

/** Returns what the permission checks need to know about a row. Loads it with the same function as the server. */
async function factsOf(noun: Noun, row: AnyRow): Promise<unknown> {
  if (noun === 'event') return { schoolId: row.schoolId };
  const type = typeOfNoun.get(noun)!;
  const loaders = { byId: () => Promise.reject(new Error('these facts need no other row')) };
  return loadFacts({ db, loaders }, resources[type].read, type, row as never);
}

const found = async (noun: Noun, filter: Filter) =>
  (await delegateOf(db, modelOf(noun)).findMany({ where: filter })).map(keyOf(noun)).sort();

/**
 * One action for each distinct row of the permissions table. Other actions with the same row would repeat the
 * comparison.
 */
const representatives = [
  ...new Map(actions.map((action) => [JSON.stringify([permissions[action].on, permissions[action].cells]), action])).values(),
];

/** Reads every row of the noun. Returns for each its key, and what the permission checks need to know about it. */
async function rowsOf(noun: Noun): Promise<{ key: string; facts: never }[]> {
  const rows = await delegateOf(db, modelOf(noun)).findMany();
  return Promise.all(rows.map(async (row) => ({ key: keyOf(noun)(row), facts: (await factsOf(noun, row)) as never })));
}

async function compare(actor: Actor, action: Action, other: Action, rows: { key: string; facts: never }[]): Promise<void> {
  const noun = permissions[action].on;
  const keys = (of: (facts: never) => boolean) =>
    rows
      .filter(({ facts }) => of(facts))
      .map(({ key }) => key)
      .sort();
  const may = (facts: never) => can(actor, action, facts);
  const mayOther = (facts: never) => can(actor, other, facts);
  const filter = where(actor, action);
  const never = where({ kind: 'anonymous' }, action);
  const says = `${action} (and ${other}) as ${actorName(actor)}`;
  expect(await found(noun, filter), says).toEqual(keys(may));
  expect(await found(noun, { NOT: filter }), `not ${says}`).toEqual(keys((facts) => !may(facts)));
  expect(await found(noun, { AND: [filter, { NOT: never }, { OR: [never, filter] }] }), `${says}, nested`).toEqual(keys(may));
  expect(await found(noun, { NOT: { OR: [filter, where(actor, other)] } }), `neither of ${says}`).toEqual(
    keys((facts) => !may(facts) && !mayOther(facts)),
  );
  if (keys(may).length > 0) expect(everCan(actor, action), says).toBe(true);
  const nested = nestedIn(noun);
  if (nested === undefined) return;
  const allowed = new Set(keys(may));
  const allRows = await delegateOf(db, nested.model).findMany();
  const through = await delegateOf(db, nested.model).findMany({ where: { [nested.relation]: filter } });
  expect(through.length, `${says}, through ${nested.model}`).toBe(
    allRows.filter((row) => allowed.has(row[nested.column] as string)).length,
  );
}

it('selects exactly what is allowed, top-level and nested, for every actor', async () => {
  await fc.assert(
    fc.asyncProperty(worlds, async (world) => {
      const actors = await insertWorld(db, world);
      const rows = new Map<Noun, Awaited<ReturnType<typeof rowsOf>>>();
      for (const noun of nouns) rows.set(noun, await rowsOf(noun));
      for (const action of representatives) {
        const noun = permissions[action].on;
        const siblings = representatives.filter((each) => permissions[each].on === noun);
        const other = siblings[(siblings.indexOf(action) + 1) % siblings.length]!;
        for (const actor of actors) await compare(actor, action, other, rows.get(noun)!);
      }
    }),
    { numRuns: 20, endOnFailure: true },
  );
});

it('a filter that allows nothing matches no row, and its negation every row', async () => {
  const [world] = fc.sample(worlds, { numRuns: 1, seed: 1 });
  await insertWorld(db, world!);
  for (const action of representatives) {
    const noun = permissions[action].on;
    const never = where({ kind: 'anonymous' }, action);
    const all = await found(noun, {});
    expect(await found(noun, never), action).toEqual([]);
    expect(await found(noun, { OR: [never, never] }), action).toEqual([]);
    expect(await found(noun, { NOT: never }), action).toEqual(all);
    expect(await found(noun, { AND: [{ NOT: never }, { NOT: { AND: [never] } }] }), action).toEqual(all);
  }
});
