import pg from 'pg';
import { globalId } from '../../src/graphql/typed-id.ts';
import { sendLoad } from '../load.ts';
import { allByName, type Measure } from '../measure.ts';
import { addPeople } from '../seed.ts';
import { connections } from './reads.ts';

/**
 * Measures enrolling a pupil: one transaction checks permissions and invariants, records the event and adds the pupil
 * to the chat of the class.
 */

const json = { 'content-type': 'application/json' };

export const write: Measure = {
  name: 'write',
  title: 'Enrolling a pupil, one class after another',
  unit: 'changes/s',
  better: 'higher',
  target: { limit: 0.7 },
  async run(env) {
    const { schoolId, classIds, administratorId } = env.ids;
    const client = new pg.Client({ connectionString: env.databaseUrl });
    await client.connect();
    const servers = await allByName({ ours: env.server('ours'), Mercurius: env.server('mercurius'), limit: env.server('limit') });
    const headers: Record<string, Record<string, string>> = {
      ours: { ...json, authorization: `Bearer ${await env.token(administratorId)}` },
      Mercurius: { ...json, 'x-viewer': administratorId },
      limit: json,
    };
    const bodies: Record<string, (studentId: string, classId: string) => object> = {
      ours: (studentId, classId) => ({
        query:
          'mutation E($input: EnrolStudentInput!) { enrolStudent(input: $input) { __typename ... on Enrolment { id startedAt } ... on Refusal { code } } }',
        variables: { input: { studentId: globalId('User', studentId), classId: globalId('Class', classId) } },
      }),
      Mercurius: (studentId, classId) => ({
        query: 'mutation E($studentId: ID!, $classId: ID!) { enrolStudent(studentId: $studentId, classId: $classId) { id startedAt } }',
        variables: { studentId, classId },
      }),
      limit: (studentId, classId) => ({ measure: 'write', values: [studentId, classId, administratorId] }),
    };
    let created = 10_000;
    /** Creates pupils without a class, enrols them through the contender, and verifies the rows. */
    const enrol = async (name: 'ours' | 'Mercurius' | 'limit', amount: number, inProcess = false): Promise<number> => {
      const students = await addPeople(client, schoolId, 'STUDENT', (created += amount), amount);
      const perSecond = await sendLoad({
        url: servers[name].url,
        headers: headers[name]!,
        connections,
        amount,
        inProcess,
        bodies: students.map((id, n) => JSON.stringify(bodies[name]!(id, classIds[n % classIds.length]!))),
      });
      const {
        rows: [counts],
      } = await client.query<{ placed: string; members: string; events: string }>(
        `select (select count(*) from enrolment where student_id = any($1) and ended_at is null) as placed,
                (select count(*) from chat_member where user_id = any($1)) as members,
                (select count(*) from event where school_id = $2 and type = 'student.enrolled' and payload->>'studentId' = any($1::text[])) as events`,
        [students, schoolId],
      );
      for (const [what, count] of Object.entries(counts!))
        if (Number(count) !== amount) throw new Error(`${name}: ${count} ${what} of ${amount}`);
      return perSecond;
    };
    try {
      for (const name of ['ours', 'Mercurius', 'limit'] as const) await enrol(name, 100, env.quick);
      const { ours, Mercurius, limit } = await env.rounds(['ours', 'Mercurius', 'limit'], (name) => enrol(name, env.quick ? 200 : 1000));
      return { ours, peers: { Mercurius }, limit };
    } finally {
      // Restores the seeded rows for the other measures.
      await client.query('delete from chat_member where user_id in (select student_id from enrolment where not student_id = any($1))', [
        env.ids.studentIds,
      ]);
      await client.query('delete from enrolment where class_id = any($1) and not student_id = any($2)', [classIds, env.ids.studentIds]);
      await client.end();
    }
  },
};
