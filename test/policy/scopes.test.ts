import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { actorName, type Actor } from '../../src/policy/actor.ts';
import { can, everCan, where } from '../../src/policy/can.ts';
import { actions, permissions, type Action, type Facts, type Noun } from '../../src/policy/permissions.ts';
import type { Filter } from '../../src/policy/scopes.ts';
import type { Database } from '../../src/db/client.ts';
import { resources } from '../../src/domain/resources.ts';
import { loadFactsOfUser } from '../../src/domain/user-facts.ts';
import { openTestDatabase } from '../support/database.ts';
import { insertWorld, worlds } from './arbitrary-worlds.ts';

/**
 * Every scope exists twice, as a predicate and as a database filter. Both select the same rows, also where the filter
 * is nested.
 */

let db: Database;
beforeAll(async () => {
  db = await openTestDatabase();
});
afterAll(() => db.close());

/** The Prisma model of each noun, the key of its rows, and a model whose relation the filter is nested in. */
const models: Record<Noun, { model: string; key?: (row: any) => string; nested?: { model: string; relation: string; id: string } }> = {
  school: { model: 'school', nested: { model: 'class', relation: 'school', id: 'schoolId' } },
  class: { model: 'class', nested: { model: 'assignment', relation: 'class', id: 'classId' } },
  subject: { model: 'subject', nested: { model: 'chat', relation: 'subject', id: 'subjectId' } },
  user: { model: 'user', nested: { model: 'roleGrant', relation: 'user', id: 'userId' } },
  role: { model: 'roleGrant' },
  enrolment: { model: 'enrolment' },
  invitation: { model: 'invitation' },
  chat: { model: 'chat', nested: { model: 'chatMember', relation: 'chat', id: 'chatId' } },
  session: { model: 'session' },
  event: { model: 'event', key: (row) => `${row.schoolId}:${row.seq}` },
};

const factsOf: { [N in Noun]: (row: any) => Facts[N] | Promise<Facts[N]> } = {
  school: resources.School.facts.school!,
  class: resources.Class.facts.class!,
  subject: resources.Subject.facts.subject!,
  user: ({ id }) => loadFactsOfUser(db, id),
  role: resources.RoleGrant.facts.role!,
  enrolment: resources.Enrolment.facts.enrolment!,
  invitation: resources.Invitation.facts.invitation!,
  chat: resources.Chat.facts.chat!,
  session: resources.Session.facts.session!,
  event: ({ schoolId }) => ({ schoolId }),
};

const finder = (model: string) => (db.prisma as unknown as Record<string, { findMany(args: object): Promise<any[]> }>)[model]!;
const keyOf = (noun: Noun) => models[noun].key ?? ((row: { id: string }) => row.id);
const found = async (noun: Noun, filter: Filter) => (await finder(models[noun].model).findMany({ where: filter })).map(keyOf(noun)).sort();

/**
 * One action for each distinct row of the permissions table; other actions with the same row would repeat the
 * comparison.
 */
const representatives = [
  ...new Map(actions.map((action) => [JSON.stringify([permissions[action].on, permissions[action].cells]), action])).values(),
];

/** Reads the key and the facts of every row of the noun. */
async function rowsOf(noun: Noun): Promise<{ key: string; facts: never }[]> {
  const rows = await finder(models[noun].model).findMany({});
  return Promise.all(rows.map(async (row) => ({ key: keyOf(noun)(row), facts: (await factsOf[noun](row)) as never })));
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
  const { nested } = models[noun];
  if (nested === undefined) return;
  const allowed = new Set(keys(may));
  const allRows = await finder(nested.model).findMany({});
  const through = await finder(nested.model).findMany({ where: { [nested.relation]: filter } });
  expect(through.length, `${says}, through ${nested.model}`).toBe(allRows.filter((row) => allowed.has(row[nested.id] as string)).length);
}

it('selects exactly what is allowed, top-level and nested, for every actor', async () => {
  await fc.assert(
    fc.asyncProperty(worlds, async (world) => {
      const actors = await insertWorld(db, world);
      const rows = new Map<Noun, Awaited<ReturnType<typeof rowsOf>>>();
      for (const noun of Object.keys(models) as Noun[]) rows.set(noun, await rowsOf(noun));
      for (const action of representatives) {
        const noun = permissions[action].on;
        const siblings = representatives.filter((each) => permissions[each].on === noun);
        const other = siblings[(siblings.indexOf(action) + 1) % siblings.length]!;
        for (const actor of actors) await compare(actor, action, other, rows.get(noun)!);
      }
    }),
    { numRuns: 20, endOnFailure: true },
  );
}, 240_000);

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
