import { globalId } from '../../src/graphql/typed-id.ts';
import { sendLoad } from '../load.ts';
import { allByName, type Env, type Measure, type Result } from '../measure.ts';

/** Measures the reads of a frontend: a large nested query and a small query. */

export const connections = 16;
const json = { 'content-type': 'application/json' };

/** A compared server: its URL, and the request to send to it. */
export interface Contender {
  url: string;
  headers: Record<string, string>;
  body: string;
}

export const nested = {
  ours: `query Nested($id: ID!) { node(id: $id) { ... on School { id name classes(first: 20) { edges { node { id name
    enrolments(first: 30) { edges { node { student { id fullName } } } } } } } } } }`,
  plain: 'query Nested($id: ID!) { school(id: $id) { id name classes { id name students { id fullName } } } }',
  postgraphile: `query Nested($id: UUID!) { schoolByRowId(rowId: $id) { rowId name classesBySchoolIdList { rowId grade letter
    enrolmentsByClassIdAndSchoolIdList { appUserByStudentId { rowId surname givenName patronymic } } } } }`,
};

export const one = {
  ours: 'query One($id: ID!) { viewer { id fullName } node(id: $id) { ... on Class { id name } } }',
  plain: 'query One($id: ID!) { viewer { id fullName } class(id: $id) { id name } }',
  postgraphile:
    'query One($id: UUID!, $viewer: UUID!) { appUserByRowId(rowId: $viewer) { rowId surname givenName patronymic } classByRowId(rowId: $id) { rowId grade letter } }',
};

async function contenders(env: Env, measure: 'read-nested' | 'read-one'): Promise<Record<string, Contender>> {
  const { ids } = env;
  const {
    schoolId,
    administratorId,
    classIds: [classId],
  } = ids;
  const query = measure === 'read-nested' ? nested : one;
  const id = measure === 'read-nested' ? schoolId : classId!;
  const at = async (name: string, text: string, variables: object): Promise<Contender> => {
    const { url } = await env.server(name);
    return { url, headers: { ...json, 'x-viewer': administratorId }, body: JSON.stringify({ query: text, variables }) };
  };
  const ours = async (): Promise<Contender> => {
    const { url } = await env.server('ours');
    return {
      url,
      headers: { ...json, authorization: `Bearer ${await env.token(administratorId)}` },
      body: JSON.stringify({ query: query.ours, variables: { id: globalId(measure === 'read-nested' ? 'School' : 'Class', id) } }),
    };
  };
  const limit = async (): Promise<Contender> => {
    const { url } = await env.server('limit');
    return { url, headers: json, body: JSON.stringify({ measure, values: measure === 'read-nested' ? [id] : [administratorId, id] }) };
  };
  return allByName({
    ours: ours(),
    Mercurius: at('mercurius', query.plain, { id }),
    'PostGraphile 5': at('postgraphile', query.postgraphile, { id, ...(measure === 'read-one' ? { viewer: administratorId } : {}) }),
    'Apollo Server 5': at('apollo', query.plain, { id }),
    Yoga: at('yoga', query.plain, { id }),
    limit: limit(),
  });
}

/** Verifies that the response contains the id of every class and pupil. */
async function verifyResponse({ classIds, studentIds }: Env['ids'], measure: string, { url, headers, body }: Contender): Promise<void> {
  const response = await fetch(url, { method: 'POST', headers, body });
  const text = await response.text();
  const expected = measure === 'read-nested' ? [...classIds, ...studentIds] : [classIds[0]!];
  const missing = expected.filter(
    (id) => !text.includes(id) && !text.includes(globalId('User', id)) && !text.includes(globalId('Class', id)),
  );
  if (!response.ok || missing.length > 0)
    throw new Error(`${url} leaves out ${missing.length} of ${expected.length}: ${text.slice(0, 300)}`);
}

async function run(env: Env, measure: 'read-nested' | 'read-one'): Promise<Result> {
  const all = await contenders(env, measure);
  const load = ({ url, headers, body }: Contender, seconds: number) =>
    sendLoad({ url, headers, bodies: [body], connections, seconds, inProcess: env.quick });
  for (const contender of Object.values(all)) {
    await verifyResponse(env.ids, measure, contender);
    await load(contender, env.quick ? 0.2 : 4);
  }
  const { ours, limit, ...peers } = await env.rounds(Object.keys(all), (name) => load(all[name]!, env.quick ? 0.3 : 2));
  return { ours: ours!, peers, limit: limit! };
}

export const readNested: Measure = {
  name: 'read-nested',
  title: 'A school, its 20 classes and the 30 pupils of each, as the administrator',
  unit: 'requests/s',
  better: 'higher',
  target: { peer: 1, limit: 0.8 },
  run: (env) => run(env, 'read-nested'),
};

export const readOne: Measure = {
  name: 'read-one',
  title: 'The viewer, and a class by its id',
  unit: 'requests/s',
  better: 'higher',
  target: { peer: 1 },
  run: (env) => run(env, 'read-one'),
};
