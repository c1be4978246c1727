import pg from 'pg';
import { yearAround } from '../src/domain/school-years.ts';
import { alphabeticalKey, searchable } from '../src/domain/text.ts';
import type { SeededIds } from './measure.ts';

/**
 * Seeds the rows of the measures with plain SQL: a school with twenty classes of thirty pupils, their chats, and staff.
 */

const surnames = [
  'Алексеев',
  'Борисов',
  'Виноградов',
  'Громов',
  'Дмитриев',
  'Егоров',
  'Ёлкин',
  'Жуков',
  'Зайцев',
  'Ильин',
  'Королёв',
  'Лебедев',
];
const givenNames = ['Александр', 'Борис', 'Виктор', 'Глеб', 'Даниил', 'Евгений', 'Иван', 'Кирилл', 'Лев', 'Максим'];

/** Returns a generated name that is unique for `n`. */
export const nameOf = (n: number): { surname: string; givenName: string } => ({
  surname: surnames[n % surnames.length]!,
  givenName: `${givenNames[Math.floor(n / surnames.length) % givenNames.length]!}-${n}`,
});

/** Adds people with a role in a school; returns their ids in order. */
export async function addPeople(client: pg.ClientBase, schoolId: string, role: string, from: number, count: number): Promise<string[]> {
  const people = Array.from({ length: count }, (_, n) => {
    const { surname, givenName } = nameOf(from + n);
    return [surname, givenName, alphabeticalKey([surname, givenName, null]), searchable(`${surname} ${givenName}`)] as const;
  });
  const column = (at: 0 | 1 | 2 | 3) => people.map((person) => person[at]);
  const { rows } = await client.query<{ id: string }>(
    `insert into app_user (id, surname, given_name, sort_key, search_text, updated_at)
     select gen_random_uuid(), s, g, k, t, now() from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as p(s, g, k, t) returning id`,
    [column(0), column(1), column(2), column(3)],
  );
  const ids = rows.map(({ id }) => id);
  await client.query(
    'insert into role_grant (id, school_id, user_id, role) select gen_random_uuid(), $1, u, $2::role from unnest($3::uuid[]) as u',
    [schoolId, role, ids],
  );
  return ids;
}

/** Adds a school with its event counter (`event_head`) and the current school year. */
export async function addSchool(client: pg.ClientBase, name: string): Promise<{ schoolId: string; schoolYearId: string }> {
  const {
    rows: [school],
  } = await client.query<{ id: string }>(
    'insert into school (id, name, full_name, updated_at) values (gen_random_uuid(), $1, $1, now()) returning id',
    [name],
  );
  const schoolId = school!.id;
  await client.query('insert into event_head (school_id) values ($1)', [schoolId]);
  const { startsOn, endsOn } = yearAround(new Date().toISOString().slice(0, 10));
  const {
    rows: [year],
  } = await client.query<{ id: string }>(
    'insert into school_year (id, school_id, starts_on, ends_on) values (gen_random_uuid(), $1, $2, $3) returning id',
    [schoolId, startsOn, endsOn],
  );
  return { schoolId, schoolYearId: year!.id };
}

/** Adds a class and its chat; returns the class id. */
export async function addClass(
  client: pg.ClientBase,
  { schoolId, schoolYearId, grade, letter }: { schoolId: string; schoolYearId: string; grade: number; letter: string },
): Promise<string> {
  const sortKey = `${String(grade).padStart(2, '0')}${alphabeticalKey([letter])}`;
  const {
    rows: [created],
  } = await client.query<{ id: string }>(
    `insert into class (id, school_id, school_year_id, grade, letter, sort_key) values (gen_random_uuid(), $1, $2, $3, $4, $5) returning id`,
    [schoolId, schoolYearId, grade, letter, sortKey],
  );
  await client.query(`insert into chat (id, school_id, kind, class_id, name) values (gen_random_uuid(), $1, 'CLASS', $2, $3)`, [
    schoolId,
    created!.id,
    `${grade}${letter}`,
  ]);
  return created!.id;
}

/** Enrols pupils in a class and adds them to its chat. */
async function enrol(client: pg.ClientBase, schoolId: string, classId: string, studentIds: readonly string[]): Promise<void> {
  await client.query(
    'insert into enrolment (id, school_id, class_id, student_id) select gen_random_uuid(), $1, $2, s from unnest($3::uuid[]) as s',
    [schoolId, classId, studentIds],
  );
  await client.query(
    `insert into chat_member (id, school_id, chat_id, user_id, reason)
     select gen_random_uuid(), $1, chat.id, s, 'RULE' from chat, unnest($3::uuid[]) as s where chat.class_id = $2`,
    [schoolId, classId, studentIds],
  );
}

export async function seed(databaseUrl: string): Promise<SeededIds> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { schoolId, schoolYearId } = await addSchool(client, 'Школа № 98');
    const classIds: string[] = [];
    for (let grade = 1; grade <= 10; grade++)
      for (const letter of ['А', 'Б']) classIds.push(await addClass(client, { schoolId, schoolYearId, grade, letter }));
    const studentIds = await addPeople(client, schoolId, 'STUDENT', 0, 600);
    for (const [n, classId] of classIds.entries()) await enrol(client, schoolId, classId, studentIds.slice(n * 30, n * 30 + 30));
    const [administratorId] = await addPeople(client, schoolId, 'PLATFORM_ADMINISTRATOR', 600, 1);
    const [teacherId] = await addPeople(client, schoolId, 'TEACHER', 601, 1);
    await client.query(
      `insert into assignment (id, school_id, class_id, user_id, kind) values (gen_random_uuid(), $1, $2, $3, 'CLASS_TEACHER')`,
      [schoolId, classIds[0], teacherId],
    );
    // Adds a second school, so that no list returns the whole table.
    const other = await addSchool(client, 'Школа № 12');
    const otherClass = await addClass(client, { ...other, grade: 5, letter: 'А' });
    await enrol(client, other.schoolId, otherClass, await addPeople(client, other.schoolId, 'STUDENT', 1000, 30));
    await client.query('analyze');
    return { schoolId, classIds, studentIds, administratorId: administratorId!, teacherId: teacherId! };
  } finally {
    await client.end();
  }
}
