import pg from 'pg';
import { columnOf, condition, conjunction, fromModel, joinOne, order, parameter, type Filter, type From, type Statement } from './where.ts';
import type { PrismaClient } from './generated/client.ts';
import type { PipelinedPool } from './pipelined-pool.ts';
import { modelsOf } from './schema-metadata.ts';
import {
  createView,
  integerAt,
  nextColumn,
  textAt,
  RowList,
  type ReadonlyRows,
  type DataRow,
  type WireBuffer,
  type Columns,
  type Parse,
  type RowViewClass,
} from '../reader/row-view.ts';
import { statements } from './statements.ts';

/**
 * Reads rows by one prepared statement. Takes Prisma's filters and orders and returns the rows that Prisma would
 * return, at a fraction of the cost of many rows. test/db/select.test.ts compares the two.
 */

export interface SelectOptions {
  where: Filter;
  orderBy?: readonly object[];
  /** Returns only the first of the rows that are equal in these columns. The order must start with them. */
  distinct?: readonly string[];
  limit?: number;
  /** The columns to read; all by default. */
  columns?: ReadonlySet<string> | undefined;
  /** Columns of to-one relations to read too: `student.sortKey` becomes `student: { sortKey }` in the row. */
  related?: readonly string[];
  /** A to-one relation to read into the row as `joined`; null if it does not match its filter. */
  joined?: Join | undefined;
  /** Locks the rows until the transaction ends. */
  lock?: 'share' | 'no key update';
  /** Returns RowViews, which decode a column on access. They cannot be copied or compared by their properties. */
  asViews?: boolean;
}

/** The source of rows: the database, or a transaction in it. */
export interface RowSource {
  prisma: PrismaClient;
  reads: Pick<PipelinedPool, 'query'>;
}

export interface Join {
  relation: string;
  /** The filter that the related row must match. */
  where: Filter;
  columns?: ReadonlySet<string> | undefined;
}

type Row = Record<string, unknown>;

/** Returns the rows of a model that match. */
export async function findRows<T>(db: RowSource, model: string, selection: SelectOptions): Promise<T[]> {
  const statement: Statement = { models: modelsOf(db.prisma), values: [], tables: 0 };
  const from = fromModel(statement, model);
  const { columns, read } = select(statement, from, selection);
  const {
    lists: [rows],
  } = await runSelect<T>(db, selectSql(statement, from, columns, selection, ''), statement.values, read, selection);
  return Array.isArray(rows) ? (rows as T[]) : Array.from({ length: rows!.length }, (_none, n) => rows!.at(n)!);
}

/** Returns, by parent id, the rows of a to-many relation of `model`. `limit` applies to each parent. */
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
  const isChildOf = (id: string): string => `${from.alias}."${relation.other}" = ${id}`;
  const isSingle = parentIds.length === 1;
  const parent = parameter(statement, isSingle ? parentIds[0] : parentIds);
  const from = fromModel(statement, relation.model);
  const { columns, read } = select(statement, from, selection);
  const { limit } = selection;
  const runFor = (text: string, parentCount: number) => runSelect<T>(db, text, statement.values, read, selection, parentCount);
  const byParent = ({ lists }: SelectResult<T>) => new Map(parentIds.map((id, n) => [id, lists[n]!]));
  if (isSingle) return byParent(await runFor(selectSql(statement, from, columns, selection, isChildOf(parent)), 0));
  const parents = `unnest(${parent}::uuid[]) with ordinality as "parent"("id", "n")`;
  const joinCondition = isChildOf('"parent"."id"');
  if (limit === undefined || !ordersByJoinedColumn(selection))
    return byParent(await runFor(lateralSql(statement, from, columns, selection, parents, joinCondition), parentIds.length));
  const sql = rankedSql(
    statement,
    from,
    columns,
    selection,
    parents,
    joinCondition,
    `cardinality(${parent}::uuid[]) * ${Math.trunc(limit)}`,
  );
  if (!statements.find(sql.unranked)?.needsRanking) {
    const result = await runFor(sql.unranked, parentIds.length);
    if (result.count <= parentIds.length * limit) return byParent(result);
    const entry = statements.find(sql.unranked);
    if (entry !== undefined) entry.needsRanking = true;
  }
  return byParent(await runFor(sql.ranked(), parentIds.length));
}

function select(statement: Statement, from: From, selection: SelectOptions): { columns: string[]; read: Columns } {
  const { joined } = selection;
  const columns: string[] = [];
  const addColumns = (table: From, names: Iterable<string> = table.model.columns.keys()): string[] => {
    const fields = [...names];
    for (const field of fields) columns.push(columnOf(table, field));
    return fields;
  };
  const own = addColumns(from, selection.columns);
  const related = (selection.related ?? []).map((path) => {
    const [relation, field] = path.split('.') as [string, string];
    columns.push(columnOf(joinOne(statement, from, relation), field));
    return [relation, field] as const;
  });
  if (joined === undefined) return { columns, read: { own, related, joined: null } };
  const joinedFrom = joinOne(statement, from, joined.relation);
  const firstJoined = columns.length;
  const joinedFields = addColumns(joinedFrom, [
    'id',
    ...[...(joined.columns ?? joinedFrom.model.columns.keys())].filter((field) => field !== 'id'),
  ]);
  columns[firstJoined] =
    `case when ${conjunction([`${joinedFrom.alias}."id" is not null`, condition(statement, joinedFrom, joined.where)])} then ${columns[firstJoined]} end`;
  return { columns, read: { own, related, joined: joinedFields } };
}

const orderSql = (statement: Statement, from: From, { orderBy = [] }: SelectOptions): string =>
  orderBy.map((entry) => order(statement, from, entry).join(' ')).join(', ');

/** Part of the text instead of a parameter, so that the planner knows it. Pages have a hundred sizes at most. */
const limitSql = ({ limit }: SelectOptions): string => (limit === undefined ? '' : ` limit ${Math.trunc(limit)}`);

const lockSql = ({ lock }: SelectOptions, { alias }: From): string => (lock === undefined ? '' : ` for ${lock} of ${alias}`);

function selectSql(
  statement: Statement,
  from: From,
  columns: readonly string[],
  selection: SelectOptions,
  parentCondition: string,
): string {
  const where = conjunction([parentCondition, condition(statement, from, selection.where)]);
  const orders = orderSql(statement, from, selection);
  const distinct =
    selection.distinct === undefined ? '' : `distinct on (${selection.distinct.map((field) => columnOf(from, field)).join(', ')}) `;
  return `select ${distinct}${columns.join(', ')} from ${from.joins.join(' ')}${where === '' ? '' : ` where ${where}`}${orders === '' ? '' : ` order by ${orders}`}${limitSql(selection)}${lockSql(selection, from)}`;
}

/** Returns whether the order starts with a column of a joined table. No index has it, so PostgreSQL reads all rows. */
const ordersByJoinedColumn = ({ orderBy = [] }: SelectOptions): boolean =>
  Object.values(orderBy[0] ?? {}).some((value) => typeof value === 'object');

const numberedColumns = (columns: readonly string[]): string[] => columns.map((column, n) => `${column} as "c${n}"`);

/** Selects each parent's rows separately: with an order by own columns, an index yields only the rows of the page. */
const lateralSql = (
  statement: Statement,
  from: From,
  columns: readonly string[],
  selection: SelectOptions,
  parents: string,
  joinCondition: string,
): string =>
  `select "parent"."n"::int, "row".* from ${parents} cross join lateral (${selectSql(statement, from, numberedColumns(columns), selection, joinCondition)}) as "row"`;

/**
 * Selects the rows of all parents in two ways. `unranked` sorts all rows together, and returns one more than all pages
 * hold; the pages are complete if that row is missing, as nearly always. `ranked` selects the first rows of each
 * parent; the ranks take a third longer.
 */
function rankedSql(
  statement: Statement,
  from: From,
  columns: readonly string[],
  selection: SelectOptions,
  parents: string,
  joinCondition: string,
  maxRows: string,
): { unranked: string; ranked(): string } {
  const { orderBy = [], limit } = selection;
  const keys = orderBy.map((entry) => order(statement, from, entry));
  const orders = keys.map((key) => key.join(' ')).join(', ');
  const where = condition(statement, from, selection.where);
  const [table, ...joins] = from.joins;
  const rows = `from ${parents} join ${[table, `on ${joinCondition}`, ...joins].join(' ')}${where === '' ? '' : ` where ${where}`}`;
  const rank = `row_number() over (partition by "parent"."n" order by ${orders}) as "k"`;
  const rankedColumns = ['"parent"."n"', rank, ...numberedColumns(columns), ...keys.map(([column], n) => `${column} as "o${n}"`)];
  // The final order is that of the ranks, so that PostgreSQL sorts once.
  const finalOrder = ['"n"', ...keys.map(([, direction], n) => `"o${n}" ${direction}`)];
  return {
    unranked: `select ${['"parent"."n"::int', ...columns].join(', ')} ${rows} order by ${orders} limit ${maxRows} + 1`,
    ranked: () =>
      `select ${['"n"::int', ...columns.map((_column, n) => `"c${n}"`)].join(', ')} from (select ${rankedColumns.join(', ')} ${rows}) as "row" where "k" <= ${Math.trunc(limit!)} order by ${finalOrder.join(', ')}`,
  };
}

function readObject(
  { own, related, joined }: Columns,
  parsers: readonly Parse[],
  firstColumn: number,
  buffer: WireBuffer,
  begin: number,
): Row {
  let column = firstColumn;
  let at = begin;
  const nextValue = (): unknown => {
    const text = textAt(buffer, at);
    const parse = parsers[column]!;
    column += 1;
    at = nextColumn(buffer, at);
    return text === null || parse === null ? text : parse(text);
  };
  const row: Row = {};
  for (const name of own) row[name] = nextValue();
  for (const [relation, field] of related) row[relation] = { ...(row[relation] as Row | undefined), [field]: nextValue() };
  if (joined === null) return row;
  const joinedId = nextValue();
  row.joined = joinedId === null ? null : Object.fromEntries(joined.map((name, n) => [name, n === 0 ? joinedId : nextValue()]));
  return row;
}

/** Returns the query for node-postgres: prepared from the second use on, with values parsed as Prisma does. */
export function prepared(text: string, values: unknown[]): pg.QueryConfig {
  const name = statements.nameOf(text);
  return name === undefined ? { text, values, types } : { name, text, values, types };
}

function rowViewClass(text: string, columns: Columns, parsers: readonly Parse[]): RowViewClass {
  const entry = statements.find(text);
  const view = entry?.view ?? createView(columns, parsers);
  if (entry !== undefined) entry.view = view;
  return view;
}

interface SelectResult<T> {
  /** At most `limit` rows for each parent; one list without parents. */
  lists: ReadonlyRows<T>[];
  /** Number of rows that the database returned. */
  count: number;
}

/** Executes a statement. If `parentCount` is above 0, its first column is the parent's position, counted from 1. */
async function runSelect<T>(
  db: RowSource,
  text: string,
  values: unknown[],
  columns: Columns,
  { asViews, limit = Infinity }: SelectOptions,
  parentCount = 0,
): Promise<SelectResult<T>> {
  const firstColumn = parentCount === 0 ? 0 : 1;
  let lists: (unknown[] | RowList)[] = [];
  let count = 0;
  let parsers: readonly Parse[] = [];
  const describe = (types: readonly Parse[]): void => {
    parsers = types;
    const view = asViews ? rowViewClass(text, columns, types.slice(firstColumn)) : undefined;
    lists = Array.from({ length: Math.max(1, parentCount) }, () => (view === undefined ? [] : new RowList(view)));
  };
  const addRow = ({ buffer, at }: DataRow): void => {
    const list = lists[firstColumn === 0 ? 0 : integerAt(buffer, at) - 1]!;
    count += 1;
    if (list.length >= limit) return;
    const begin = firstColumn === 0 ? at : nextColumn(buffer, at);
    if (list instanceof RowList) list.add(buffer, begin);
    else list.push(readObject(columns, parsers, firstColumn, buffer, begin));
  };
  const query = new StreamingQuery(prepared(text, values), describe, addRow);
  await db.reads.query(query);
  if (query.failure !== undefined) throw query.failure as Error;
  return { lists: lists as ReadonlyRows<T>[], count };
}

/** A query that handles each row on arrival, without the Result and row objects of node-postgres. */
class StreamingQuery extends pg.Query {
  /** The first error of `onRow`. Thrown only after the rest of the result has arrived. */
  failure: unknown;
  readonly #onDescription: (parsers: readonly Parse[]) => void;
  readonly #onRow: (row: DataRow) => void;

  constructor(config: pg.QueryConfig, onDescription: (parsers: readonly Parse[]) => void, onRow: (row: DataRow) => void) {
    super(config);
    this.#onDescription = onDescription;
    this.#onRow = onRow;
  }

  handleRowDescription({ fields }: { fields: readonly { dataTypeID: number }[] }): void {
    this.#onDescription(fields.map(({ dataTypeID }) => parserOf(dataTypeID)));
  }

  handleDataRow(row: DataRow): void {
    try {
      this.#onRow(row);
    } catch (error) {
      this.failure ??= error;
    }
  }
}

const { builtins } = pg.types;

/** Parsers of the types that node-postgres and Prisma parse differently. */
const prismaParsers: Record<number, (text: string) => unknown> = {
  [builtins.INT8]: BigInt,
  [builtins.TIMESTAMPTZ]: (text) => new Date(`${text.replace(' ', 'T')}:00`),
  [builtins.DATE]: (text) => new Date(text),
  [builtins.BYTEA]: (text) => new Uint8Array(Buffer.from(text.slice(2), 'hex')),
};

const textTypes = new Set<number>([builtins.TEXT, builtins.VARCHAR, builtins.UUID]);

/** Returns the parser of a type; null if the text is the value. */
const parserOf = (oid: number): Parse => (textTypes.has(oid) ? null : types.getTypeParser(oid));

const types = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') =>
    (format === 'binary' ? undefined : prismaParsers[oid]) ?? pg.types.getTypeParser(oid, format),
};
