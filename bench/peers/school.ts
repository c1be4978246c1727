import DataLoader from 'dataloader';
import pg from 'pg';

/**
 * Shared by the programs of bench/peers that read and write: a plain schema over the tables of our server, loaders, and
 * the writes of an enrolment. A loader reads one level with one prepared statement. These programs check no
 * permissions, which is an advantage over our server.
 */

export const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 });

export const typeDefs = `
  type School { id: ID! name: String! classes: [Class!]! }
  type Class { id: ID! name: String! students: [User!]! }
  type User { id: ID! fullName: String! }
  type Enrolment { id: ID! startedAt: String! }
  type Query { school(id: ID!): School class(id: ID!): Class viewer: User }
  type Mutation { enrolStudent(studentId: ID!, classId: ID!): Enrolment! }
`;

interface Class {
  id: string;
  name: string;
}
interface User {
  id: string;
  fullName: string;
}

async function rows<T extends pg.QueryResultRow>(name: string, text: string, values: unknown[]): Promise<T[]> {
  return (await pool.query<T>({ name, text, values })).rows;
}

const fullName = `concat_ws(' ', u.surname, u.given_name, u.patronymic) as "fullName"`;

export function createLoaders() {
  return {
    classesOf: new DataLoader(async (schoolIds: readonly string[]) => {
      const found = await rows<Class & { schoolId: string }>(
        'classes',
        `select id, school_id as "schoolId", grade || letter as name from class where school_id = any($1) and archived_at is null order by sort_key, id`,
        [schoolIds],
      );
      const by = groupBy(found, ({ schoolId }) => schoolId);
      return schoolIds.map((id) => by.get(id) ?? []);
    }),
    studentsOf: new DataLoader(async (classIds: readonly string[]) => {
      const found = await rows<User & { classId: string }>(
        'students',
        `select u.id, e.class_id as "classId", ${fullName} from enrolment e join app_user u on u.id = e.student_id where e.class_id = any($1) and e.ended_at is null order by u.sort_key, u.id`,
        [classIds],
      );
      const by = groupBy(found, ({ classId }) => classId);
      return classIds.map((id) => by.get(id) ?? []);
    }),
    user: new DataLoader(async (ids: readonly string[]) =>
      orderByIds(ids, await rows<User>('users', `select u.id, ${fullName} from app_user u where u.id = any($1)`, [ids])),
    ),
    class: new DataLoader(async (ids: readonly string[]) =>
      orderByIds(ids, await rows<Class>('class', `select id, grade || letter as name from class where id = any($1)`, [ids])),
    ),
  };
}

function groupBy<T>(all: readonly T[], keyOf: (each: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const each of all) {
    const group = groups.get(keyOf(each));
    if (group === undefined) groups.set(keyOf(each), [each]);
    else group.push(each);
  }
  return groups;
}

function orderByIds<T extends { id: string }>(ids: readonly string[], found: readonly T[]): (T | null)[] {
  const by = new Map(found.map((each) => [each.id, each]));
  return ids.map((id) => by.get(id) ?? null);
}

/** The GraphQL context; the header `x-viewer` names the viewer. */
export interface PeerContext {
  loaders: ReturnType<typeof createLoaders>;
  viewerId: string;
}

type Resolve = (parent: { id: string }, args: Record<string, string>, context: PeerContext) => unknown;

export const resolvers: Record<string, Record<string, Resolve>> = {
  Query: {
    school: async (_root, { id }) => (await rows('school', 'select id, name from school where id = $1', [id]))[0] ?? null,
    class: (_root, { id }, { loaders }) => loaders.class.load(id!),
    viewer: (_root, _args, { loaders, viewerId }) => loaders.user.load(viewerId),
  },
  School: { classes: ({ id }, _args, { loaders }) => loaders.classesOf.load(id) },
  Class: { students: ({ id }, _args, { loaders }) => loaders.studentsOf.load(id) },
  Mutation: { enrolStudent: (_root, { studentId, classId }, { viewerId }) => enrol(studentId!, classId!, viewerId) },
};

/**
 * Enrols a pupil in one transaction, as our server does. Writes the enrolment, the memberships in the class's chats,
 * and the events in the order of the school's counter.
 */
export async function enrol(studentId: string, classId: string, actorId: string): Promise<{ id: string; startedAt: string }> {
  const client = await pool.connect();
  const query = async <T extends pg.QueryResultRow>(name: string, text: string, values: unknown[]) =>
    (await client.query<T>({ name, text, values })).rows;
  try {
    await client.query('begin');
    const [found] = await query<{ schoolId: string }>(
      'lock class',
      `select school_id as "schoolId" from class where id = $1 and archived_at is null for share`,
      [classId],
    );
    await query('lock user', 'select 1 from app_user where id = $1 for no key update', [studentId]);
    const schoolId = found!.schoolId;
    const [role] = await query(
      'role',
      `select 1 from role_grant where user_id = $1 and school_id = $2 and role = 'STUDENT' and ended_at is null`,
      [studentId, schoolId],
    );
    const present = await query('present', 'select 1 from enrolment where student_id = $1 and ended_at is null', [studentId]);
    if (role === undefined || present.length > 0) throw new Error('The pupil cannot be enrolled.');
    const [made] = await query<{ id: string; startedAt: Date }>(
      'place',
      `insert into enrolment (id, school_id, class_id, student_id) values (gen_random_uuid(), $1, $2, $3) returning id, started_at as "startedAt"`,
      [schoolId, classId, studentId],
    );
    const chats = await query<{ chatId: string }>(
      'members',
      `insert into chat_member (id, school_id, chat_id, user_id, reason) select gen_random_uuid(), school_id, id, $2, 'RULE' from chat
       where class_id = $1 and kind = 'CLASS' and archived_at is null on conflict do nothing returning chat_id as "chatId"`,
      [classId, studentId],
    );
    const events = [
      {
        type: 'student.enrolled',
        topics: [`school:${schoolId}`, `class:${classId}`, `user:${studentId}`],
        payload: { schoolId, enrolmentId: made!.id, studentId, classId },
      },
      ...chats.map(({ chatId }) => ({
        type: 'chatMember.added',
        topics: [`school:${schoolId}`, `chat:${chatId}`, `user:${studentId}`],
        payload: { schoolId, chatId, userId: studentId },
      })),
    ];
    await query(
      'events',
      `with head as (update event_head set seq = seq + $2 where school_id = $1 returning seq)
       insert into event (school_id, seq, type, topics, payload, actor, at)
       select $1, head.seq - $2 + e.ordinality, e.value->>'type', array(select jsonb_array_elements_text(e.value->'topics')), e.value->'payload', $4, clock_timestamp()
       from head, jsonb_array_elements($3::jsonb) with ordinality e`,
      [schoolId, events.length, JSON.stringify(events), `user:${actorId}`],
    );
    await client.query('commit');
    return { id: made!.id, startedAt: made!.startedAt.toISOString() };
  } catch (error) {
    await client.query('rollback');
    throw error;
  } finally {
    client.release();
  }
}

export const contextOf = (headers: Record<string, unknown>): PeerContext => ({
  loaders: createLoaders(),
  viewerId: String(headers['x-viewer']),
});
