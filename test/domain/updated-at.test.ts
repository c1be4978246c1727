import { isObjectType } from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { transaction } from '../../src/db/transaction.ts';
import { resourceTypes } from '../../src/domain/resources.ts';
import { schema } from '../../src/graphql/schema.ts';
import { buildSchool, collect } from '../support/fixtures.ts';
import type { MutationCase, SchoolFixture } from '../support/noun-fixture.ts';
import { personas, signedInAs } from '../support/personas.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';

/** `updatedAt` of a row moves with each change of the row, whatever statement makes the change. */

let app: Sfera;
let tables: string[];
beforeAll(async () => {
  app = await openSfera();
  const { rows } = await app.db.pool.query<{ name: string }>(
    "select table_name as name from information_schema.columns where table_schema = 'public' and column_name = 'updated_at' order by 1",
  );
  tables = rows.map(({ name }) => name);
});
afterAll(() => app.close());

const mutations = await collect<MutationCase>((fixture) => fixture.mutations);

interface Version {
  updatedAt: number;
  /** A checksum of the row without `updated_at`, and without columns that copy a column of `app_user`. */
  content: string;
}

/** Returns the present version of every row that has `updated_at`, by its table and id. */
async function readVersions(): Promise<Map<string, Version>> {
  const statements = tables.map(
    (name) => `
      select '${name} ' || id as key, updated_at as "updatedAt",
             md5((to_jsonb(t) - '{updated_at,user_updated_at}'::text[] ${name === 'role_grant' ? "- '{sort_key,search_text}'::text[]" : ''})::text) as content
      from ${name} t`,
  );
  const { rows } = await app.db.pool.query<{ key: string; updatedAt: Date; content: string }>(statements.join(' union all '));
  return new Map(rows.map(({ key, updatedAt, content }) => [key, { updatedAt: updatedAt.getTime(), content }]));
}

it('is a field of every type with a global ID, except Session, which has lastSeenAt', () => {
  const without = resourceTypes.filter((name) => {
    const type = schema.getType(name);
    return isObjectType(type) && type.getFields().updatedAt === undefined;
  });
  expect(without).toEqual(['Session']);
});

/** Mutations that write no row with `updatedAt`. They write sessions or links, or delete rows. */
const writesNone = ['endSession', 'endOtherSessions', 'exportRoster', 'removeChatMember', 'voidEnrolment'];

/** Inputs for the mutations whose input in the fixtures would change nothing. */
const inputs: Record<string, (school: SchoolFixture) => object | Promise<object>> = {
  archiveClass: async ({ schoolId }) => ({ classId: app.id('Class', (await app.build.class({ schoolId })).id) }),
  assignClassTeacher: ({ other, people }) => ({ classId: app.id('Class', other.id), userId: app.id('User', people.teacher.id) }),
  transferStudent: ({ other, people }) => ({ classId: app.id('Class', other.id), studentId: app.id('User', people.pupil.id) }),
  acceptInvitation: async ({ schoolId }) => ({ code: (await app.build.invitation({ schoolId, role: 'SCHOOL_ADMINISTRATION' })).code }),
  async demoteChatMember({ chats, people }) {
    const where = { chatId_userId: { chatId: chats.CLUB.id, userId: people.teacher.id } };
    await app.db.prisma.chatMember.update({ where, data: { role: 'MODERATOR' } });
    return { chatId: app.id('Chat', chats.CLUB.id), userId: app.id('User', people.teacher.id) };
  },
};

/**
 * Mutations whose input in the fixtures changes nothing or is refused. They need a person or a class in another state.
 */
const needState = ['unarchiveClass', 'reactivateUser', 'reissuePersonalInvitation', 'undoPlan', 'planImport'];

describe('a mutation moves it on each row that it changes', () => {
  it.each(Object.keys(mutations).filter((name) => !needState.includes(name)))('%s', async (name) => {
    const school = await buildSchool(app);
    const Name = name[0]!.toUpperCase() + name.slice(1);
    const query = `mutation ($input: ${Name}Input!) { ${name}(input: $input) { __typename ... on Refusal { code message } } }`;
    let answer: unknown;
    let before = new Map<string, Version>();
    for (const persona of personas) {
      const signedIn = await signedInAs(app, school, persona);
      const input = (await inputs[name]?.(school)) ?? mutations[name]!.input(app, school, signedIn);
      before = await readVersions();
      const { data, errors } = await signedIn.person.send(query, { input });
      expect(errors).toBeUndefined();
      answer = data![name];
      if ((answer as { __typename: string }).__typename !== 'Refusal') break;
    }
    expect(answer).not.toMatchObject({ __typename: 'Refusal' });
    const after = await readVersions();
    const written = [...after].filter(([key, { content }]) => before.get(key)?.content !== content);
    for (const [key, { updatedAt }] of written) expect(updatedAt, key).toBeGreaterThan(before.get(key)?.updatedAt ?? 0);
    if (!writesNone.includes(name)) expect(written).not.toEqual([]);
    // A row whose content did not change keeps its `updatedAt`. Exception: a person whose roles changed.
    const moved = [...after].filter(([key, { updatedAt }]) => before.has(key) && before.get(key)!.updatedAt !== updatedAt);
    const expected = new Set(written.map(([key]) => key));
    for (const [key] of moved) if (!expected.has(key)) expect(key).toMatch(/^app_user /);
  });
});

it('moves by a statement in SQL too, also twice within a millisecond, and not by a change to the same values', async () => {
  const { school } = await app.build.school();
  const { id, updatedAt } = await app.build.class({ schoolId: school.id });
  const times = await transaction(app.db, async (tx) => {
    const set = async (letter: string): Promise<number> => {
      const [row] = await tx.execute<{ at: Date }>('update class set letter = $2 where id = $1 returning updated_at as at', [id, letter]);
      return row!.at.getTime();
    };
    return [await set('Ы'), await set('Э'), await set('Э'), await set('Ю')] as const;
  });
  expect(times[0]).toBeGreaterThan(updatedAt.getTime());
  expect(times[1]).toBeGreaterThan(times[0]);
  expect(times[2]).toBe(times[1]);
  expect(times[3]).toBeGreaterThan(times[2]);
});

it('of a school moves when only its ids in other systems change', async () => {
  const { school, administrator } = await app.build.school();
  const externalIds = [{ system: 'Моя школа', value: `${Date.now()}` }];
  await app.as(administrator).updateSchool({ schoolId: app.id('School', school.id), externalIds });
  const { updatedAt } = await app.db.prisma.school.findUniqueOrThrow({ where: { id: school.id } });
  expect(updatedAt.getTime()).toBeGreaterThan(school.updatedAt.getTime());
});
