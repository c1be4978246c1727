import pg from 'pg';
import { alphabeticalKey, searchable } from '../../src/domain/text.ts';
import { globalId } from '../../src/graphql/typed-id.ts';
import { summarise, type Measure } from '../measure.ts';
import { addClass, addPeople, addSchool } from '../seed.ts';

/** Measures how long a query for one page of a list takes as the tables grow. Also measures pages in the middle of a list. */

interface Page {
  query: string;
  /** Field of the school that returns the list. */
  list: string;
}

const buildPage = (list: string, args: string, fields: string): Page => ({
  list,
  query: `query ($id: ID!, $after: String) { node(id: $id) { ... on School { ${list}(first: 20, after: $after${args}) { pageInfo { endCursor } edges { node { ${fields} } } } } } }`,
});

const people = buildPage('people', ', role: STUDENT', 'fullName');
const log = buildPage('events', '', 'type seq');
/** Pages of a school that holds all rows, so that its lists are as long as the tables. */
const longLists: Record<string, Page> = { 'list of people': people, log };
const search = buildPage('people', ', search: "Алексеев-77"', 'fullName');

const history =
  'query ($id: ID!, $asOf: DateTime!) { node(id: $id) { ... on Class { enrolments(first: 20, asOf: $asOf) { edges { node { student { fullName } } } } } } }';

export const growth: Measure = {
  name: 'growth',
  title: 'A page of a list, a search, the history of a class and the log, by the rows of their tables: the slowest to the first',
  unit: 'times',
  better: 'lower',
  target: { absolute: 1.5 },
  async run(env) {
    const sizes = env.quick ? [500, 2000] : [1_000, 10_000, 100_000, 1_000_000];
    const [client, second] = [new pg.Client({ connectionString: env.databaseUrl }), new pg.Client({ connectionString: env.databaseUrl })];
    await Promise.all([client.connect(), second.connect()]);
    const { schoolId, schoolYearId } = await addSchool(client, 'Школа роста');
    const classId = await addClass(client, { schoolId, schoolYearId, grade: 5, letter: 'А' });
    const [administratorId] = await addPeople(client, schoolId, 'PLATFORM_ADMINISTRATOR', 1_999_999, 1);
    // A school of normal size. Its rows become a small part of the growing tables.
    const normalSchool = await addSchool(client, 'Школа среди многих');
    const normalClassId = await addClass(client, { ...normalSchool, grade: 5, letter: 'А' });
    await client.query(
      `insert into role_grant (id, school_id, user_id, role) values (gen_random_uuid(), $1, $2, 'PLATFORM_ADMINISTRATOR')`,
      [normalSchool.schoolId, administratorId],
    );
    await addPupils(client, { ...normalSchool, classId: normalClassId, from: 0, to: 1000, stay: 30 });
    const { url } = await env.server('ours');
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${await env.token(administratorId!)}` };
    const request = async (query: string, variables: object): Promise<{ ms: number; data: Record<string, any> }> => {
      const begun = performance.now();
      const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify({ query, variables }) });
      const { data, errors } = (await response.json()) as { data: Record<string, any>; errors?: unknown };
      if (errors !== undefined) throw new Error(JSON.stringify(errors));
      return { ms: performance.now() - begun, data };
    };
    const times = env.quick ? 5 : 60;
    const medianMs = async (query: string, variables: object, samples = times): Promise<number> => {
      const all: number[] = [];
      for (let n = 0; n < samples; n++) all.push((await request(query, variables)).ms);
      return summarise(all).median;
    };
    const rows: Record<string, Record<string, number>> = {};
    const addFigure = (name: string, size: number, ms: number) => ((rows[name] ??= {})[`${size}`] = Math.round(ms * 100) / 100);
    const id = globalId('School', schoolId);
    let seededRows = 0;
    try {
      for (const size of sizes) {
        await growTables([client, second], { schoolId, classId, from: seededRows, to: size });
        seededRows = size;
        for (const [name, { query, list }] of Object.entries(longLists)) {
          await medianMs(query, { id });
          addFigure(name, size, await medianMs(query, { id }));
          const after = await middleCursor(client, schoolId, list, size);
          addFigure(`${name}, far down`, size, await medianMs(query, { id, after }));
        }
        const asOf = new Date(Date.now() - 86_400_000 * 200).toISOString();
        const variables = { id: globalId('School', normalSchool.schoolId) };
        await medianMs(search.query, variables);
        addFigure('list of people, in a school of 1,000', size, await medianMs(people.query, variables));
        addFigure('search, in a school of 1,000', size, await medianMs(search.query, variables));
        addFigure('history of a class', size, await medianMs(history, { id: globalId('Class', normalClassId), asOf }));
        // Takes five samples only: these queries take seconds at the largest size, and do not count for the target.
        addFigure(untargeted.search, size, await medianMs(search.query, { id }, 5));
        addFigure(untargeted.history, size, await medianMs(history, { id: globalId('Class', classId), asOf }, 5));
      }
    } finally {
      await Promise.all([client.end(), second.end()]);
    }
    const untargetedNames = new Set<string>(Object.values(untargeted));
    const worst = Object.entries(rows).flatMap(([name, row]) =>
      untargetedNames.has(name) ? [] : [Math.max(...Object.values(row)) / (row[`${sizes[0]!}`] ?? 1)],
    );
    return {
      ours: summarise([Math.max(...worst)]),
      peers: {},
      series: { title: 'Milliseconds of a page, by rows', unit: 'ms', rows },
      notes:
        'The long lists and the log stand in one school that holds all rows; the others in a school of 1,000 people, and a class of 30 whom 970 went before, among as many rows of others. ' +
        'The last two rows are outside of the mark: a search through one school, and the history of one class, that hold all rows themselves. They grow with the school and the class, not with the tables, and no school has such a size.',
    };
  },
};

/** Names of the rows in the report that do not count for the target. */
const untargeted = { search: 'search, in a school that holds all', history: 'history of a class that held all' } as const;

/** Returns the cursor of the row in the middle of a list, encoded as our server encodes cursors. */
async function middleCursor(client: pg.Client, schoolId: string, list: string, size: number): Promise<string> {
  const encode = (parts: unknown[]) => Buffer.from(JSON.stringify(parts)).toString('base64url');
  if (list === 'events') return encode(['event', String(Math.floor(size / 2))]);
  const {
    rows: [row],
  } = await client.query<{ id: string; sort_key: string }>(
    `select u.id, u.sort_key from app_user u join role_grant g on g.user_id = u.id where g.school_id = $1 and g.role = 'STUDENT' order by u.sort_key, u.id offset $2 limit 1`,
    [schoolId, Math.floor(size / 2)],
  );
  return encode(['person by sortKey asc', row!.sort_key, row!.id]);
}

interface Growth {
  schoolId: string;
  classId: string;
  from: number;
  to: number;
}

/** Adds pupils to a class. The first `stay` of them are still enrolled; the enrolments of the others have ended. */
async function addPupils(client: pg.Client, { schoolId, classId, from, to, stay }: Growth & { stay: number }): Promise<void> {
  for (let offset = from; offset < to; offset += 20_000) {
    const names = Array.from({ length: Math.min(20_000, to - offset) }, (_, n) => [`Алексеев-${offset + n}`, 'Максим'] as const);
    await client.query(
      `with made as (
         insert into app_user (id, surname, given_name, sort_key, search_text, updated_at)
         select gen_random_uuid(), s, 'Максим', k, t, now() from unnest($1::text[], $2::text[], $3::text[]) as p(s, k, t) returning id
       ), granted as (insert into role_grant (id, school_id, user_id, role) select gen_random_uuid(), $4, id, 'STUDENT' from made)
       insert into enrolment (id, school_id, class_id, student_id, started_at, ended_at)
       select gen_random_uuid(), $4, $5, id, now() - interval '2 years', case when row_number() over (order by id) > $6 then now() - interval '1 year' end from made`,
      [
        names.map(([surname]) => surname),
        names.map((name) => alphabeticalKey([...name, null])),
        names.map((name) => searchable(name.join(' '))),
        schoolId,
        classId,
        offset === from ? stay : 0,
      ],
    );
  }
}

/** Adds pupils and the same number of events. Each of the two connections inserts one half. */
async function growTables([client, second]: readonly [pg.Client, pg.Client], { schoolId, classId, from, to }: Growth): Promise<void> {
  const middle = (from + to) / 2;
  const insertHalf = async (connection: pg.Client, from: number, to: number): Promise<void> => {
    await addPupils(connection, { schoolId, classId, from, to, stay: 0 });
    await connection.query(
      `insert into event (school_id, seq, type, topics, payload, actor, at)
       select $1::uuid, n, 'school.updated', array['school:' || $1::text], jsonb_build_object('schoolId', $1::text), 'operator', now() from generate_series($2::int + 1, $3::int) n`,
      [schoolId, from, to],
    );
  };
  await Promise.all([insertHalf(client, from, middle), insertHalf(second, middle, to)]);
  await client.query('update event_head set seq = $2 where school_id = $1', [schoolId, to]);
  // Vacuums now, because autovacuum would otherwise run during the measure.
  await client.query('vacuum (analyze)');
}
