import { createServer } from 'node:http';
import { enrol, pool } from './school.ts';

/**
 * The minimal program with which the read and write measures compare our server. node:http sends the JSON of one
 * prepared statement unchanged. A write runs `enrol` of bench/peers/school.ts.
 */

const nested = `
  select json_build_object('id', s.id, 'name', s.name, 'classes', (
    select json_agg(json_build_object('id', c.id, 'name', c.grade || c.letter, 'students', (
      select json_agg(json_build_object('id', u.id, 'fullName', concat_ws(' ', u.surname, u.given_name, u.patronymic)) order by u.sort_key, u.id)
      from enrolment e join app_user u on u.id = e.student_id where e.class_id = c.id and e.ended_at is null
    )) order by c.sort_key, c.id) from class c where c.school_id = s.id and c.archived_at is null
  ))::text as answer from school s where s.id = $1`;
const one = `
  select json_build_object(
    'viewer', (select json_build_object('id', u.id, 'fullName', concat_ws(' ', u.surname, u.given_name, u.patronymic)) from app_user u where u.id = $1),
    'class', (select json_build_object('id', c.id, 'name', c.grade || c.letter) from class c where c.id = $2))::text as answer`;

const read = async (name: string, text: string, values: unknown[]): Promise<string> =>
  `{"data":${(await pool.query<{ answer: string }>({ name, text, values })).rows[0]!.answer}}`;

interface LimitRequest {
  measure: 'read-nested' | 'read-one' | 'write';
  values: string[];
}

async function handle({ measure, values }: LimitRequest): Promise<string> {
  if (measure === 'read-nested') return read('nested', nested, values);
  if (measure === 'read-one') return read('one', one, values);
  return JSON.stringify({ data: await enrol(values[0]!, values[1]!, values[2]!) });
}

createServer((request, response) => {
  let text = '';
  request.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  request.on('end', () => {
    handle(JSON.parse(text) as LimitRequest).then(
      (body) => response.setHeader('content-type', 'application/json').end(body),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
}).listen(Number(process.env.PORT), '127.0.0.1', () => process.send?.({ ready: true }));
