import { readdirSync } from 'node:fs';
import { permissions, type Noun } from '../../src/policy/permissions.ts';
import type { ResourceType } from '../../src/domain/entities.ts';
import { resources, resourceTypes } from '../../src/domain/resources.ts';
import { buildBaseSchool } from './base-school.ts';
import type { NounFixture, SchoolFixture } from './noun-fixture.ts';
import type { Sfera } from './sfera.ts';

/** Loads the fixtures of all nouns from test/fixtures, so that a new fixture needs no entry in a list. */

const folder = new URL('../fixtures/', import.meta.url);

async function load(): Promise<ReadonlyMap<ResourceType, NounFixture>> {
  const names = readdirSync(folder).map((file) => file.replace(/\.ts$/, ''));
  const found = await Promise.all(
    names.map(async (name) => {
      const { fixture } = (await import(`../fixtures/${name}.ts`)) as { fixture?: NounFixture };
      if (fixture === undefined) throw new Error(`test/fixtures/${name}.ts exports no \`fixture\` (see test/support/noun-fixture.ts)`);
      return [fixture.type, fixture] as const;
    }),
  );
  const byType = new Map(found);
  return new Map(resourceTypes.flatMap((type) => (byType.has(type) ? [[type, byType.get(type)!] as const] : [])));
}

let loaded: ReturnType<typeof load> | undefined;

/** Returns the fixtures that exist, by the type of their rows, in the order of the resources. */
export const loadFixtures = (): ReturnType<typeof load> => (loaded ??= load());

/** Returns the fixture of every resource. @throws an error that says what to write if a resource has no fixture. */
export async function allFixtures(): Promise<readonly NounFixture[]> {
  const fixtures = await loadFixtures();
  const missing = resourceTypes.filter((type) => !fixtures.has(type));
  if (missing.length > 0)
    throw new Error(
      `No fixture of ${missing.join(', ')}: write test/fixtures/<noun>.ts with \`export const fixture = defineFixture({ type: '${missing[0]}', … })\`, ` +
        'as test/support/noun-fixture.ts describes it. test/fixtures/subjects.ts is the smallest example.',
    );
  return [...fixtures.values()];
}

/** Merges the entries of all fixtures into one record. @throws an error if two fixtures have the same key. */
export async function collect<V>(entriesOf: (fixture: NounFixture) => Readonly<Record<string, V>> | undefined): Promise<Record<string, V>> {
  const entries = (await allFixtures()).flatMap((fixture) => Object.entries(entriesOf(fixture) ?? {}));
  const collected = Object.fromEntries(entries);
  if (Object.keys(collected).length < entries.length)
    throw new Error(`Two files of test/fixtures/ have the same key among ${entries.map(([key]) => key).join(', ')}`);
  return collected;
}

/** Builds a school with at least one row of every type, and a person for every persona. */
export async function buildSchool(app: Sfera, mark = ''): Promise<SchoolFixture> {
  const school = await buildBaseSchool(app, mark);
  const rows: Partial<Record<ResourceType, { id: string }>> = {};
  for (const fixture of await allFixtures()) rows[fixture.type] = await fixture.sample(app, school);
  return { ...school, rows: rows as SchoolFixture['rows'] };
}

/** Maps a noun of the permissions to the type of its rows. Lacks `event`, the noun of the log, which is not a resource. */
export const typeOfNoun: ReadonlyMap<Noun, ResourceType> = new Map(
  resourceTypes.filter((type) => resources[type].via === undefined).map((type) => [permissions[resources[type].read].on, type]),
);
