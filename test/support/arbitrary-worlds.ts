import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { serviceScopes, type Actor } from '../../src/policy/actor.ts';
import { loadActors } from '../../src/auth/actors.ts';
import type { Credential } from '../../src/auth/tokens.ts';
import type { Database } from '../../src/db/client.ts';
import type { Resources, ResourceType } from '../../src/domain/entities.ts';
import { allFixtures } from './fixtures.ts';
import type { World } from './noun-fixture.ts';
import { at, day, index } from './world-parts.ts';

/**
 * fast-check arbitraries that generate the rows of a whole database, a «world»: schools, classes, people with several
 * roles, chats, links, services. Each file of test/fixtures describes the rows of its type.
 */

const fixtures = await allFixtures();

export interface WorldSpecs {
  rows: Readonly<Record<string, readonly never[]>>;
  services: readonly { school: number; scopes: string[] }[];
}

const services = fc.array(fc.record({ school: index, scopes: fc.subarray<string>([...serviceScopes]) }), { maxLength: 3 });

export const worlds: fc.Arbitrary<WorldSpecs> = fc.record({
  rows: fc.record(Object.fromEntries(fixtures.map(({ type, world }) => [type, world.specs]))),
  services,
});

/** Returns a world with many rows: for each type, generates 200 lists of rows and takes the longest. */
export function fullWorld(seed: number): WorldSpecs {
  const longest = <T>(lists: fc.Arbitrary<readonly T[]>) =>
    fc.sample(lists, { numRuns: 200, seed }).reduce((a, b) => (b.length > a.length ? b : a));
  return { rows: Object.fromEntries(fixtures.map(({ type, world }) => [type, longest(world.specs)])), services: longest(services) };
}

/**
 * Replaces all rows of the database by the rows of a world. Returns an actor for each session and each service, the
 * anonymous actor and the operator.
 */
export async function insertWorld(db: Database, specs: WorldSpecs): Promise<Actor[]> {
  await db.pool.query('truncate school, app_user, event, oauth_client, session cascade');
  const inserted = new Map<ResourceType, Promise<readonly Resources[ResourceType][]>>();
  const byType = new Map(fixtures.map((fixture) => [fixture.type, fixture]));
  const world: World = {
    db,
    rowsOf: <T extends ResourceType>(type: T) => {
      let rows = inserted.get(type);
      if (rows === undefined) inserted.set(type, (rows = byType.get(type)!.world.insert(specs.rows[type]!, world)));
      return rows as Promise<readonly Resources[T][]>;
    },
  };
  for (const { type } of fixtures) await world.rowsOf(type);
  const schools = await world.rowsOf('School');
  await db.prisma.event.createMany({
    data: schools.map(({ id: schoolId }) => ({
      schoolId,
      seq: 1n,
      type: 'school.created',
      topics: [],
      payload: { schoolId },
      actor: 'operator',
      at: day(0),
    })),
  });
  const clients = specs.services.map(({ school, scopes }) => ({
    id: randomUUID(),
    name: 'Проба',
    schoolId: at(schools, school).id,
    scopes,
    secretHash: Buffer.alloc(32),
    redirectUris: [],
  }));
  await db.prisma.oauthClient.createMany({ data: clients });
  return [...(await actorsOf(db, await world.rowsOf('Session'), clients)), { kind: 'anonymous' }, { kind: 'operator' }];
}

async function actorsOf(db: Database, sessions: readonly Resources['Session'][], clients: readonly { id: string }[]): Promise<Actor[]> {
  const expiresAt = Math.floor(Date.now() / 1000) + 600;
  const credentials: Credential[] = [
    ...sessions.map(({ id, userId }) => ({ kind: 'user', userId, sessionId: id, clientId: 'tests', expiresAt }) as const),
    ...clients.map(({ id }) => ({ kind: 'service', clientId: id, scopes: serviceScopes, expiresAt }) as const),
  ];
  return (await loadActors(db, credentials)).map((loaded) => {
    if ('ended' in loaded) throw new Error(`a credential does not count: ${loaded.ended}`);
    return loaded;
  });
}
