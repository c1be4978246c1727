import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { openSfera, type Sfera } from '../../support/sfera.ts';

/**
 * Each list of a school has an index in the same order as the list, and PostgreSQL reads each page by this index. So it reads
 * as many rows for a page in the middle as for the first page.
 */

let app: Sfera;
let schoolId: string;
let administrator: { id: string };

const people = 1500;

/** Adds pupils to a school by SQL: every third has left, and the others are in a class. */
async function addPupils(school: { id: string }, classId: string): Promise<void> {
  const ids = 'select n, gen_random_uuid() as id from generate_series(1, $1::int) as n';
  await app.db.pool.query(
    `with made as (${ids}), person as (
       insert into app_user (id, surname, given_name, sort_key, search_text, updated_at)
       select id, 'Пробный', n::text, md5(n::text), n::text, now() - n * interval '1 minute' from made returning id
     ), role as (
       insert into role_grant (id, school_id, user_id, role, started_at, ended_at)
       select gen_random_uuid(), $2, made.id, 'STUDENT', now() - interval '1 year', case when n % 3 = 0 then now() end from made join person using (id)
     )
     insert into enrolment (id, school_id, class_id, student_id, started_at, ended_at, updated_at)
     select gen_random_uuid(), $2, $3, id, now() - n * interval '1 minute', case when n % 3 = 0 then now() end, now() - n * interval '1 minute'
     from made`,
    [people, school.id, classId],
  );
}

beforeAll(async () => {
  app = await openSfera();
  for (let n = 0; n < 3; n += 1) {
    const built = await app.build.school();
    const { id: classId } = await app.build.class({ schoolId: built.school.id });
    await addPupils(built.school, classId);
    await app.db.pool.query(
      `insert into invitation (id, school_id, role, nonce, code_hash, max_uses, expires_at)
       select gen_random_uuid(), $2::uuid, 'TEACHER', sha256(n::text::bytea), sha256(($2::uuid::text || n)::bytea), 1, now() + n * interval '1 minute' from generate_series(1, $1::int) as n`,
      [people, built.school.id],
    );
    ({ administrator } = built);
    schoolId = app.id('School', built.school.id);
  }
  // Spreads the last changes of the people over many days, because all of them were added within a second.
  await app.db.pool.query(
    "update role_grant g set user_updated_at = now() - p.given_name::int * interval '1 hour' from app_user p where p.id = g.user_id and p.surname = 'Пробный'",
  );
  await app.db.pool.query('analyze');
});
afterAll(() => app.close());

interface Statement {
  text: string;
  values: unknown[];
}

/** Returns the page, and the statement that reads the list. */
async function readPage(list: string, args: string) {
  const sent = vi.spyOn(app.db.reads, 'query');
  const query = `query ($id: ID!) { node(id: $id) { ... on School { list: ${list}(${args}) { edges { cursor } } } } }`;
  const { data, errors } = await app.as(administrator).send(query, { id: schoolId });
  expect(errors).toBeUndefined();
  const statements = sent.mock.calls
    .map(([statement]) => statement as unknown as Statement)
    .filter(({ text }) => text.includes('order by "t0"'));
  sent.mockRestore();
  expect(statements).toHaveLength(1);
  const { edges } = (data!.node as { list: { edges: { cursor: string }[] } }).list;
  return { cursors: edges.map(({ cursor }) => cursor), statement: statements[0]! };
}

interface PlanNode {
  'Index Name'?: string;
  'Relation Name'?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  Plans?: PlanNode[];
}

/** Executes a statement. Returns the nodes of its plan. */
async function explain({ text, values }: Statement): Promise<PlanNode[]> {
  const { rows } = await app.db.pool.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(`explain (analyze, format json) ${text}`, values);
  const nodes: PlanNode[] = [];
  const collect = (node: PlanNode): void => {
    nodes.push(node);
    node.Plans?.forEach(collect);
  };
  collect(rows[0]!['QUERY PLAN'][0].Plan);
  return nodes;
}

/** Returns the number of rows that the scans read. */
const rowsOf = (scans: readonly PlanNode[]): number =>
  scans.reduce((sum, node) => sum + (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops'], 0);

const directions = (field: string) => [`orderBy: { field: ${field} }`, `orderBy: { field: ${field}, direction: DESC }`];

describe.each([
  ['people', '', 'role_grant_people_idx'],
  // Most people of the school are pupils, so the planner may use the index by role or the index of all people.
  ['people', 'role: STUDENT', 'role_grant_people_'],
  ['people', 'orderBy: { field: NAME, direction: DESC }', 'role_grant_people_idx'],
  ...directions('UPDATED_AT').map((order) => ['people', order, 'role_grant_people_changed_idx']),
  ['people', 'active: null', 'role_grant_school_id_sort_key_user_id_idx'],
  ['people', 'active: null, orderBy: { field: UPDATED_AT }', 'role_grant_school_id_user_updated_at_user_id_idx'],
  ['enrolments', '', 'enrolment_school_active_idx'],
  ...directions('STARTED_AT').map((order) => ['enrolments', order, 'enrolment_school_active_idx']),
  ['enrolments', 'active: null', 'enrolment_school_id_started_at_id_idx'],
  ...directions('UPDATED_AT').map((order) => ['enrolments', `active: null, ${order}`, 'enrolment_school_id_updated_at_id_idx']),
  ['invitations', '', 'invitation_school_id_id_idx'],
  ...directions('CREATED_AT').map((order) => ['invitations', order, 'invitation_school_id_id_idx']),
  ...directions('EXPIRES_AT').map((order) => ['invitations', order, 'invitation_school_id_expires_at_id_idx']),
] as [list: string, args: string, index: string][])('School.%s(%s)', (list, args, index) => {
  it(`is read by ${index}, page after page`, async () => {
    let after = '';
    for (const first of [20, 20, 20]) {
      const { cursors, statement } = await readPage(list, `first: ${first}, ${args}${after}`);
      expect(cursors).toHaveLength(first);
      const scans = (await explain(statement)).filter((node) => node['Index Name']?.includes(index));
      expect(scans, statement.text).not.toEqual([]);
      expect(rowsOf(scans)).toBeLessThan(3 * first);
      after = `, after: "${cursors.at(-1)}"`;
    }
  });
});

it('looks up only the people whose names match a search', async () => {
  const { cursors, statement } = await readPage('people', 'first: 20, search: "151"');
  expect(cursors).toHaveLength(2);
  const lookups = (await explain(statement)).filter((node) => node['Relation Name'] === 'app_user');
  expect(rowsOf(lookups), statement.text).toBe(2);
});
