import pg from 'pg';
import { columnOf, condition, conjunction, fromModel, joinOne, order, parameter, type Filter, type From, type Statement } from './filter.ts';
import type { PrismaClient } from './generated/client.ts';
import type { Reads } from './reads.ts';
import { modelsOf } from './models.ts';

/**
 * Reading rows by one prepared statement. Filters and orders are Prisma's, and the rows are what Prisma would answer,
 * at a fraction of what many rows cost through it. test/db/sql.test.ts holds the two together.
 */

export interface Selection {
  where: Filter;
  orderBy?: readonly object[];
  /** Only the first of the rows that have the same in these columns, with which the order begins. */
  distinct?: readonly string[];
  take?: number;
  /** The columns to read; all where it is left out. */
  columns?: ReadonlySet<string> | undefined;
  /** Columns of rows that a row belongs to, read into it: `student.sortKey` is then its `student: { sortKey }`. */
  related?: readonly string[];
  /** A row that each row belongs to, read into it as `along`: null where it does not pass. */
  along?: Along | undefined;
  /** Locks the rows until the transaction ends. */
  lock?: 'share' | 'no key update';
}

/** Where rows are read: the database, or a transaction in it. */
export interface Source {
  prisma: PrismaClient;
  reads: Pick<Reads, 'query'>;
}

export interface Along {
  relation: string;
  /** What it has to pass. */
  where: Filter;
  columns?: ReadonlySet<string> | undefined;
}

type Row = Record<string, unknown>;

/** The rows of a model that pass. */
export async function findRows<T>(db: Source, model: string, selection: Selection): Promise<T[]> {
  const statement: Statement = { models: modelsOf(db.prisma), values: [], tables: 0 };
  const from = fromModel(statement, model);
  const { columns, shape } = select(statement, from, selection);
  const rows: T[] = [];
  await run(db, textOf(statement, from, columns, selection, ''), statement.values, (read) => void rows.push(rowOf(shape, read, 0) as T));
  return rows;
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
  const under = parentIds.map((): T[] => []);
  const of = (id: string): string => `${from.alias}."${relation.other}" = ${id}`;
  const one = parentIds.length === 1;
  const parent = parameter(statement, one ? parentIds[0] : parentIds);
  const from = fromModel(statement, relation.model);
  const { columns, shape } = select(statement, from, selection);
  if (one) await run(db, textOf(statement, from, columns, selection, of(parent)), statement.values, (read) => void under[0]!.push(rowOf(shape, read, 0) as T));
  else {
    const text = textUnder(statement, from, columns, selection, `unnest(${parent}::uuid[]) with ordinality as "parent"("id", "n")`, of('"parent"."id"'));
    await run(db, text, statement.values, (read) => void under[(read(0) as number) - 1]!.push(rowOf(shape, read, 1) as T));
  }
  return new Map(parentIds.map((id, n) => [id, under[n]!]));
}

/** What the columns that were read are, in their order. */
interface Shape {
  /** A row and what it brings along with every column empty: what is copied is faster than what is built. */
  empty: Row;
  brought: Row;
  own: readonly string[];
  related: readonly (readonly [relation: string, field: string])[];
  /** Null where there is none to bring; its first column is then null where it does not pass. */
  along: readonly string[] | null;
}

function select(statement: Statement, from: From, selection: Selection): { columns: string[]; shape: Shape } {
  const { along } = selection;
  const columns: string[] = [];
  const read = (of: From, chosen: Iterable<string> = of.model.columns.keys()): string[] => {
    const fields = [...chosen];
    for (const field of fields) columns.push(columnOf(of, field));
    return fields;
  };
  const own = read(from, selection.columns);
  const related = (selection.related ?? []).map((path) => {
    const [relation, field] = path.split('.') as [string, string];
    columns.push(columnOf(joinOne(statement, from, relation), field));
    return [relation, field] as const;
  });
  const empty = emptyOf(own);
  if (along === undefined) return { columns, shape: { own, related, along: null, empty, brought: {} } };
  const joined = joinOne(statement, from, along.relation);
  const first = columns.length;
  const brought = read(joined, ['id', ...[...(along.columns ?? joined.model.columns.keys())].filter((field) => field !== 'id')]);
  columns[first] = `case when ${conjunction([`${joined.alias}."id" is not null`, condition(statement, joined, along.where)])} then ${columns[first]} end`;
  return { columns, shape: { own, related, along: brought, empty: { ...empty, along: null }, brought: emptyOf(brought) } };
}

const emptyOf = (names: readonly string[]): Row => Object.fromEntries(names.map((name) => [name, null]));

const ordersOf = (statement: Statement, from: From, { orderBy = [] }: Selection): string => orderBy.map((by) => order(statement, from, by)).join(', ');

/** Part of the text, so that the plan is made for it; a page has one of a hundred sizes. */
const limited = ({ take }: Selection): string => (take === undefined ? '' : ` limit ${Math.trunc(take)}`);

const locking = ({ lock }: Selection, { alias }: From): string => (lock === undefined ? '' : ` for ${lock} of ${alias}`);

function textOf(statement: Statement, from: From, columns: readonly string[], selection: Selection, within: string): string {
  const where = conjunction([within, condition(statement, from, selection.where)]);
  const orders = ordersOf(statement, from, selection);
  const distinct = selection.distinct === undefined ? '' : `distinct on (${selection.distinct.map((field) => columnOf(from, field)).join(', ')}) `;
  return `select ${distinct}${columns.join(', ')} from ${from.joins.join(' ')}${where === '' ? '' : ` where ${where}`}${orders === '' ? '' : ` order by ${orders}`}${limited(selection)}${locking(selection, from)}`;
}

/**
 * Under many parents. Where the table's own columns are the order, an index ends each parent's page early, so each is
 * read apart. An order by another table's column has no index: all rows are read anyway, and one sort does for all.
 */
function textUnder(statement: Statement, from: From, columns: readonly string[], selection: Selection, parents: string, within: string): string {
  const { orderBy = [], take } = selection;
  const named = columns.map((column, n) => `${column} as "c${n}"`);
  if (take === undefined || !Object.values(orderBy[0] ?? {}).some((by) => typeof by === 'object'))
    return `select "parent"."n"::int, "row".* from ${parents} cross join lateral (${textOf(statement, from, named, selection, within)}) as "row"`;
  const orders = ordersOf(statement, from, selection);
  const where = condition(statement, from, selection.where);
  const [table, ...joins] = from.joins;
  const all = `select "parent"."n"::int as "n", row_number() over (partition by "parent"."n" order by ${orders}) as "k", ${named.join(', ')} from ${parents} join ${[table, `on ${within}`, ...joins].join(' ')}${where === '' ? '' : ` where ${where}`}`;
  return `select ${['"n"', ...columns.map((_column, n) => `"c${n}"`)].join(', ')} from (${all}) as "row" where "k" <= ${Math.trunc(take)} order by "n", "k"`;
}

/** The value of a column of the row that is being read. */
type Read = (column: number) => unknown;

function rowOf({ own, related, along, empty, brought }: Shape, read: Read, from: number): Row {
  const row = { ...empty };
  let at = from;
  for (const name of own) row[name] = read(at++);
  for (const [relation, field] of related) row[relation] = { ...(row[relation] as Row | undefined), [field]: read(at++) };
  if (along !== null) {
    if (read(at) === null) return row;
    const other = { ...brought };
    for (const name of along) other[name] = read(at++);
    row.along = other;
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

async function run(db: Source, text: string, values: unknown[], each: (read: Read) => void): Promise<void> {
  await db.reads.query(new Reading(prepared(text, values), each));
}

type Parse = (text: string) => unknown;

/** A query whose rows are read as they come, without the arrays and results that node-postgres makes of them. */
class Reading extends pg.Query {
  readonly #each: (read: Read) => void;
  #values: readonly (string | null)[] = [];
  #parsers: (Parse | null)[] = [];
  readonly #read: Read = (column) => {
    const value = this.#values[column]!;
    const parse = this.#parsers[column];
    return value === null || parse === null ? value : parse!(value);
  };

  constructor(config: pg.QueryConfig, each: (read: Read) => void) {
    super(config);
    this.#each = each;
  }

  handleRowDescription({ fields }: { fields: readonly { dataTypeID: number }[] }): void {
    this.#parsers = fields.map(({ dataTypeID }) => parserOf(dataTypeID));
  }

  handleDataRow({ fields }: { fields: readonly (string | null)[] }): void {
    this.#values = fields;
    this.#each(this.#read);
  }
}

const { builtins } = pg.types;

/** The types whose values node-postgres and Prisma read differently. */
const parsers: Record<number, Parse> = {
  [builtins.INT8]: BigInt,
  [builtins.TIMESTAMPTZ]: (text) => new Date(`${text.replace(' ', 'T')}:00`),
  [builtins.DATE]: (text) => new Date(text),
  [builtins.BYTEA]: (text) => new Uint8Array(Buffer.from(text.slice(2), 'hex')),
};

const asItIs = new Set<number>([builtins.TEXT, builtins.VARCHAR, builtins.UUID]);

/** Null where the text is the value. */
const parserOf = (oid: number): Parse | null => (asItIs.has(oid) ? null : types.getTypeParser(oid));

const types = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') => (format === 'binary' ? undefined : parsers[oid]) ?? pg.types.getTypeParser(oid, format),
};
