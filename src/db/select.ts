import pg from 'pg';
import { columnOf, condition, conjunction, fromModel, joinOne, order, parameter, type Filter, type From, type Statement } from './where.ts';
import type { PrismaClient } from './generated/client.ts';
import type { PipelinedPool } from './pipelined-pool.ts';
import { modelsOf } from './schema-metadata.ts';
import { createView, integerAt, nextColumn, textAt, RowList, type ReadonlyRows, type DataRow, type WireBuffer, type Columns, type Parse, type RowViewClass } from '../reader/row-view.ts';
import { statements } from './statements.ts';

/**
 * Reading rows by one prepared statement. Filters and orders are Prisma's, and the rows are what Prisma would answer,
 * at a fraction of what many rows cost through it. test/db/select.test.ts holds the two together.
 */

export interface SelectOptions {
  where: Filter;
  orderBy?: readonly object[];
  /** Only the first of the rows that have the same in these columns, with which the order begins. */
  distinct?: readonly string[];
  limit?: number;
  /** The columns to read; all where it is left out. */
  columns?: ReadonlySet<string> | undefined;
  /** Columns of rows that a row belongs to, read into it: `student.sortKey` is then its `student: { sortKey }`. */
  related?: readonly string[];
  /** A row that each row belongs to, read into it as `along`: null where it does not pass. */
  joined?: Join | undefined;
  /** Locks the rows until the transaction ends. */
  lock?: 'share' | 'no key update';
  /** Rows whose columns are read from the bytes that came, when they are asked for; they can not be copied or compared. */
  asViews?: boolean;
}

/** Where rows are read: the database, or a transaction in it. */
export interface RowSource {
  prisma: PrismaClient;
  reads: Pick<PipelinedPool, 'query'>;
}

export interface Join {
  relation: string;
  /** What it has to pass. */
  where: Filter;
  columns?: ReadonlySet<string> | undefined;
}

type Row = Record<string, unknown>;

/** The rows of a model that pass. */
export async function findRows<T>(db: RowSource, model: string, selection: SelectOptions): Promise<T[]> {
  const statement: Statement = { models: modelsOf(db.prisma), values: [], tables: 0 };
  const from = fromModel(statement, model);
  const { columns, read } = select(statement, from, selection);
  const { lists: [rows] } = await run<T>(db, textOf(statement, from, columns, selection, ''), statement.values, read, selection);
  return Array.isArray(rows) ? (rows as T[]) : Array.from({ length: rows!.length }, (_none, n) => rows!.at(n)!);
}

/** The rows of a list under each of these parents, which are rows of `model`; `take` counts for each of them. */
export async function findByParents<T>(
  db: RowSource,
  model: string,
  list: string,
  parentIds: readonly string[],
  selection: SelectOptions,
): Promise<Map<string, ReadonlyRows<T>>> {
  const models = modelsOf(db.prisma);
  const relation = models[model]?.relations.get(list);
  if (relation?.many !== true) throw new Error(`${model} has no list ${list}`);
  const statement: Statement = { models, values: [], tables: 0 };
  const of = (id: string): string => `${from.alias}."${relation.other}" = ${id}`;
  const one = parentIds.length === 1;
  const parent = parameter(statement, one ? parentIds[0] : parentIds);
  const from = fromModel(statement, relation.model);
  const { columns, read } = select(statement, from, selection);
  const { limit } = selection;
  const ask = (text: string, parents: number) => run<T>(db, text, statement.values, read, selection, parents);
  const answer = ({ lists }: Found<T>) => new Map(parentIds.map((id, n) => [id, lists[n]!]));
  if (one) return answer(await ask(textOf(statement, from, columns, selection, of(parent)), 0));
  const parents = `unnest(${parent}::uuid[]) with ordinality as "parent"("id", "n")`;
  const within = of('"parent"."id"');
  if (limit === undefined || !ordersByJoinedColumn(selection)) return answer(await ask(lateralSql(statement, from, columns, selection, parents, within), parentIds.length));
  const texts = rankedSql(statement, from, columns, selection, parents, within, `cardinality(${parent}::uuid[]) * ${Math.trunc(limit)}`);
  if (!statements.find(texts.all)?.needsRanking) {
    const found = await ask(texts.all, parentIds.length);
    if (found.count <= parentIds.length * limit) return answer(found);
    const known = statements.find(texts.all);
    if (known !== undefined) known.needsRanking = true;
  }
  return answer(await ask(texts.first(), parentIds.length));
}

function select(statement: Statement, from: From, selection: SelectOptions): { columns: string[]; read: Columns } {
  const { joined } = selection;
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
  if (joined === undefined) return { columns, read: { own, related, joined: null } };
  const joinedFrom = joinOne(statement, from, joined.relation);
  const first = columns.length;
  const joinedFields = read(joinedFrom, ['id', ...[...(joined.columns ?? joinedFrom.model.columns.keys())].filter((field) => field !== 'id')]);
  columns[first] = `case when ${conjunction([`${joinedFrom.alias}."id" is not null`, condition(statement, joinedFrom, joined.where)])} then ${columns[first]} end`;
  return { columns, read: { own, related, joined: joinedFields } };
}

const ordersOf = (statement: Statement, from: From, { orderBy = [] }: SelectOptions): string => orderBy.map((by) => order(statement, from, by).join(' ')).join(', ');

/** Part of the text, so that the plan is made for it; a page has one of a hundred sizes. */
const limitSql = ({ limit }: SelectOptions): string => (limit === undefined ? '' : ` limit ${Math.trunc(limit)}`);

const lockSql = ({ lock }: SelectOptions, { alias }: From): string => (lock === undefined ? '' : ` for ${lock} of ${alias}`);

function textOf(statement: Statement, from: From, columns: readonly string[], selection: SelectOptions, within: string): string {
  const where = conjunction([within, condition(statement, from, selection.where)]);
  const orders = ordersOf(statement, from, selection);
  const distinct = selection.distinct === undefined ? '' : `distinct on (${selection.distinct.map((field) => columnOf(from, field)).join(', ')}) `;
  return `select ${distinct}${columns.join(', ')} from ${from.joins.join(' ')}${where === '' ? '' : ` where ${where}`}${orders === '' ? '' : ` order by ${orders}`}${limitSql(selection)}${lockSql(selection, from)}`;
}

/** Is another table's column the order? No index has it then: all rows are read, however few are asked for. */
const ordersByJoinedColumn = ({ orderBy = [] }: SelectOptions): boolean => Object.values(orderBy[0] ?? {}).some((by) => typeof by === 'object');

const numberedColumns = (columns: readonly string[]): string[] => columns.map((column, n) => `${column} as "c${n}"`);

/** Each parent's rows read apart: where the table's own columns are the order, an index ends each page early. */
const lateralSql = (statement: Statement, from: From, columns: readonly string[], selection: SelectOptions, parents: string, within: string): string =>
  `select "parent"."n"::int, "row".* from ${parents} cross join lateral (${textOf(statement, from, numberedColumns(columns), selection, within)}) as "row"`;

/**
 * The rows of all parents, in two ways. `all` of them in one order, which is each parent's too, and one more than the pages hold; or
 * the `first` of each parent, whose ranks take a third more for rows that nearly always fit.
 */
function rankedSql(
  statement: Statement, from: From, columns: readonly string[], selection: SelectOptions, parents: string, within: string, most: string,
): { all: string; first(): string } {
  const { orderBy = [], limit } = selection;
  const keys = orderBy.map((by) => order(statement, from, by));
  const orders = keys.map((key) => key.join(' ')).join(', ');
  const where = condition(statement, from, selection.where);
  const [table, ...joins] = from.joins;
  const rows = `from ${parents} join ${[table, `on ${within}`, ...joins].join(' ')}${where === '' ? '' : ` where ${where}`}`;
  const rank = `row_number() over (partition by "parent"."n" order by ${orders}) as "k"`;
  const ranked = ['"parent"."n"', rank, ...numberedColumns(columns), ...keys.map(([column], n) => `${column} as "o${n}"`)];
  // Ordered at the end as it is ranked, which is then sorted once.
  const again = ['"n"', ...keys.map(([, direction], n) => `"o${n}" ${direction}`)];
  return {
    all: `select ${['"parent"."n"::int', ...columns].join(', ')} ${rows} order by ${orders} limit ${most} + 1`,
    first: () =>
      `select ${['"n"::int', ...columns.map((_column, n) => `"c${n}"`)].join(', ')} from (select ${ranked.join(', ')} ${rows}) as "row" where "k" <= ${Math.trunc(limit!)} order by ${again.join(', ')}`,
  };
}

function objectOf({ own, related, joined }: Columns, parsers: readonly Parse[], from: number, chunk: WireBuffer, begin: number): Row {
  let column = from;
  let at = begin;
  const next = (): unknown => {
    const text = textAt(chunk, at);
    const parse = parsers[column]!;
    column += 1;
    at = nextColumn(chunk, at);
    return text === null || parse === null ? text : parse(text);
  };
  const row: Row = {};
  for (const name of own) row[name] = next();
  for (const [relation, field] of related) row[relation] = { ...(row[relation] as Row | undefined), [field]: next() };
  if (joined === null) return row;
  const first = next();
  row.joined = first === null ? null : Object.fromEntries(joined.map((name, n) => [name, n === 0 ? first : next()]));
  return row;
}

/** Returns the statement, with its name if it is used again, and with values read as Prisma reads them. */
export function prepared(text: string, values: unknown[]): pg.QueryConfig {
  const name = statements.nameOf(text);
  return name === undefined ? { text, values, types } : { name, text, values, types };
}

function viewOf(text: string, columns: Columns, parsers: readonly Parse[]): RowViewClass {
  const known = statements.find(text);
  const view = known?.view ?? createView(columns, parsers);
  if (known !== undefined) known.view = view;
  return view;
}

/** What a statement answers: no more than `take` for each parent, of so many rows in all. */
interface Found<T> {
  lists: ReadonlyRows<T>[];
  count: number;
}

/** The rows that a statement answers; under so many parents, whose places the first column then holds. */
async function run<T>(
  db: RowSource, text: string, values: unknown[], columns: Columns, { asViews, limit = Infinity }: SelectOptions, parents = 0,
): Promise<Found<T>> {
  const first = parents === 0 ? 0 : 1;
  let lists: (unknown[] | RowList)[] = [];
  let count = 0;
  let parsers: readonly Parse[] = [];
  const describe = (types: readonly Parse[]): void => {
    parsers = types;
    const view = asViews ? viewOf(text, columns, types.slice(first)) : undefined;
    lists = Array.from({ length: Math.max(1, parents) }, () => (view === undefined ? [] : new RowList(view)));
  };
  const row = ({ chunk, at }: DataRow): void => {
    const list = lists[first === 0 ? 0 : integerAt(chunk, at) - 1]!;
    count += 1;
    if (list.length >= limit) return;
    const begin = first === 0 ? at : nextColumn(chunk, at);
    if (list instanceof RowList) list.add(chunk, begin);
    else list.push(objectOf(columns, parsers, first, chunk, begin));
  };
  const reading = new StreamingQuery(prepared(text, values), describe, row);
  await db.reads.query(reading);
  if (reading.failure !== undefined) throw reading.failure as Error;
  return { lists: lists as ReadonlyRows<T>[], count };
}

/** A query whose rows are read as they come, without the arrays and results that node-postgres makes of them. */
class StreamingQuery extends pg.Query {
  /** What went wrong with a row: the rest of the answer has to come first. */
  failure: unknown;
  readonly #describe: (parsers: readonly Parse[]) => void;
  readonly #row: (row: DataRow) => void;

  constructor(config: pg.QueryConfig, describe: (parsers: readonly Parse[]) => void, row: (row: DataRow) => void) {
    super(config);
    this.#describe = describe;
    this.#row = row;
  }

  handleRowDescription({ fields }: { fields: readonly { dataTypeID: number }[] }): void {
    this.#describe(fields.map(({ dataTypeID }) => parserOf(dataTypeID)));
  }

  handleDataRow(row: DataRow): void {
    try {
      this.#row(row);
    } catch (error) {
      this.failure ??= error;
    }
  }
}

const { builtins } = pg.types;

/** The types whose values node-postgres and Prisma read differently. */
const parsers: Record<number, (text: string) => unknown> = {
  [builtins.INT8]: BigInt,
  [builtins.TIMESTAMPTZ]: (text) => new Date(`${text.replace(' ', 'T')}:00`),
  [builtins.DATE]: (text) => new Date(text),
  [builtins.BYTEA]: (text) => new Uint8Array(Buffer.from(text.slice(2), 'hex')),
};

const textTypes = new Set<number>([builtins.TEXT, builtins.VARCHAR, builtins.UUID]);

/** Null where the text is the value. */
const parserOf = (oid: number): Parse => (textTypes.has(oid) ? null : types.getTypeParser(oid));

const types = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') => (format === 'binary' ? undefined : parsers[oid]) ?? pg.types.getTypeParser(oid, format),
};
