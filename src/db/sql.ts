import pg from 'pg';
import { columnOf, condition, conjunction, fromModel, joinOne, order, parameter, type Filter, type From, type Statement } from './filter.ts';
import type { PrismaClient } from './generated/client.ts';
import { modelsOf } from './models.ts';

/**
 * Reading rows by one prepared statement. Filters and orders are Prisma's, and the rows are what Prisma would answer,
 * at a fraction of what many rows cost through it. test/db/sql.test.ts holds the two together.
 */

export interface Selection {
  where: Filter;
  orderBy?: readonly object[];
  take?: number;
  /** The columns to read; all where it is left out. */
  columns?: ReadonlySet<string> | undefined;
  /** Columns of rows that a row belongs to, read into it: `student.sortKey` is then its `student: { sortKey }`. */
  related?: readonly string[];
  /** A row that each row belongs to and brings along. */
  along?: Along | undefined;
  /** Locks the rows until the transaction ends. */
  lock?: 'share' | 'no key update';
}

/** Where rows are read: the database, or a transaction in it. */
export interface Source {
  prisma: PrismaClient;
  pool: Pick<pg.ClientBase, 'query'>;
}

export interface Along {
  relation: string;
  /** What it has to pass. */
  where: Filter;
  columns?: ReadonlySet<string> | undefined;
  /** Is given what a row brought along: null where it does not pass. */
  found(row: Row, along: Row | null): void;
}

type Row = Record<string, unknown>;

/** The rows of a model that pass. */
export async function findRows<T>(db: Source, model: string, selection: Selection): Promise<T[]> {
  const statement: Statement = { models: modelsOf(db.prisma), values: [], tables: 0 };
  const { text, shape } = select(statement, fromModel(statement, model), selection);
  const rows = await run(db, text, statement.values);
  return rows.map((values) => rowOf(shape, values, 0, selection.along) as T);
}

/** The rows of a list under each of these parents, which are rows of `model`; `take` counts for each of them. */
export async function findUnder<T>(
  db: Source,
  model: string,
  list: string,
  parentIds: readonly string[],
  selection: Selection,
): Promise<Map<string, T[]>> {
  const models = modelsOf(db.prisma);
  const relation = models[model]?.relations.get(list);
  if (relation?.many !== true) throw new Error(`${model} has no list ${list}`);
  const statement: Statement = { models, values: [], tables: 0 };
  const [only] = parentIds;
  const id = parentIds.length === 1 ? parameter(statement, only) : '"parent"."id"';
  const ids = parentIds.length === 1 ? '' : parameter(statement, parentIds);
  const from = fromModel(statement, relation.model);
  const { text, shape } = select(statement, from, selection, `${from.alias}."${relation.other}" = ${id}`);
  if (ids === '') return new Map([[only!, (await run(db, text, statement.values)).map((values) => rowOf(shape, values, 0, selection.along) as T)]]);
  const under = parentIds.map((): T[] => []);
  const all = `select "parent"."n"::int, "row".* from unnest(${ids}::uuid[]) with ordinality as "parent"("id", "n") cross join lateral (${text}) as "row"`;
  for (const values of await run(db, all, statement.values)) under[(values[0] as number) - 1]!.push(rowOf(shape, values, 1, selection.along) as T);
  return new Map(parentIds.map((parent, n) => [parent, under[n]!]));
}

/** What the columns that were read are, in their order. */
interface Shape {
  own: readonly string[];
  related: readonly (readonly [relation: string, field: string])[];
  /** After whether it passed. */
  along: readonly string[];
}

function select(statement: Statement, from: From, selection: Selection, within = ''): { text: string; shape: Shape } {
  const { along, orderBy = [], take } = selection;
  const columns: string[] = [];
  const read = (of: From, chosen: Iterable<string> = of.model.columns.keys()): string[] => {
    const fields = [...chosen];
    for (const field of fields) columns.push(columnOf(of, field));
    return fields;
  };
  const shape: { -readonly [K in keyof Shape]: Shape[K] } = { own: read(from, selection.columns), related: [], along: [] };
  shape.related = (selection.related ?? []).map((path) => {
    const [relation, field] = path.split('.') as [string, string];
    columns.push(columnOf(joinOne(statement, from, relation), field));
    return [relation, field];
  });
  if (along !== undefined) {
    const joined = joinOne(statement, from, along.relation);
    columns.push(conjunction([`${joined.alias}."id" is not null`, condition(statement, joined, along.where)]));
    shape.along = read(joined, along.columns);
  }
  const where = conjunction([within, condition(statement, from, selection.where)]);
  const orders = orderBy.map((by) => order(statement, from, by)).join(', ');
  const text = [
    `select ${columns.join(', ')} from ${from.joins.join(' ')}`,
    ...(where === '' ? [] : [`where ${where}`]),
    ...(orders === '' ? [] : [`order by ${orders}`]),
    // Part of the text, so that the plan is made for it; a page has one of a hundred sizes.
    ...(take === undefined ? [] : [`limit ${Math.trunc(take)}`]),
    ...(selection.lock === undefined ? [] : [`for ${selection.lock} of ${from.alias}`]),
  ].join(' ');
  return { text, shape };
}

function rowOf({ own, related, along: names }: Shape, values: readonly unknown[], from: number, along: Along | undefined): Row {
  const row: Row = {};
  let at = from;
  for (const name of own) row[name] = values[at++];
  for (const [relation, field] of related) row[relation] = { ...(row[relation] as Row | undefined), [field]: values[at++] };
  if (along !== undefined) {
    const passed = values[at++] === true;
    const other: Row = {};
    for (const name of names) other[name] = values[at++];
    along.found(row, passed ? other : null);
  }
  return row;
}

/** Statements prepared by name: their number is bounded, since a connection keeps what it has prepared. */
const names = new Map<string, string>();
const mostPrepared = 500;

/** The statement, by its name, with values read as Prisma reads them. */
export function prepared(text: string, values: unknown[]): pg.QueryConfig {
  let name = names.get(text);
  if (name === undefined && names.size < mostPrepared) names.set(text, (name = `rows${names.size}`));
  return name === undefined ? { text, values, types } : { name, text, values, types };
}

async function run(db: Source, text: string, values: unknown[]): Promise<unknown[][]> {
  const { rows } = await db.pool.query<unknown[]>({ ...prepared(text, values), rowMode: 'array' });
  return rows;
}

/** The types whose values node-postgres and Prisma read differently. */
const parsers: Record<number, (text: string) => unknown> = {
  [pg.types.builtins.INT8]: BigInt,
  [pg.types.builtins.TIMESTAMPTZ]: (text) => new Date(`${text.replace(' ', 'T')}:00`),
  [pg.types.builtins.DATE]: (text) => new Date(text),
  [pg.types.builtins.BYTEA]: (text) => new Uint8Array(Buffer.from(text.slice(2), 'hex')),
};

const types = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') => (format === 'binary' ? undefined : parsers[oid]) ?? pg.types.getTypeParser(oid, format),
};
