import pg from 'pg';
import { parserOf } from './parsers.ts';
import type { Reads } from './pipelined-pool.ts';
import type { DataRow, RowFormat } from './row-parser.ts';
import {
  createView,
  integerAt,
  nextColumn,
  RowList,
  textAt,
  type Columns,
  type Parse,
  type ReadonlyRows,
  type RowViewClass,
} from './row-view.ts';
import type { SelectOptions, SelectSql } from './select-sql.ts';
import { prepared, statements } from './statements.ts';

type Row = Record<string, unknown>;

export interface RowLists<T> {
  /** A list for each parent, with at most `limit` rows; a single list if the statement has no parents. */
  lists: ReadonlyRows<T>[];
  /** Number of rows that the database returned. */
  count: number;
}

/** A statement that selects rows. */
export interface RowStatement {
  /** The text to execute: one of the statements of `sql`. */
  text: string;
  sql: SelectSql;
  selection: SelectOptions;
  /** Number of parents. If above 0, the first column is the position of the row's parent, counted from 1. */
  parentCount: number;
}

/** Executes a statement. */
export async function readRows<T>(source: { rows: RowFormat; reads: Pick<Reads, 'query'> }, statement: RowStatement): Promise<RowLists<T>> {
  const lists = source.rows === 'views' ? await readViews(source.reads, statement) : await readArrays(source.reads, statement);
  return lists as RowLists<T>;
}

async function readViews(reads: Pick<Reads, 'query'>, statement: RowStatement): Promise<RowLists<unknown>> {
  const query = new RowQuery(statement);
  await reads.query(query);
  if (query.failure !== undefined) throw query.failure as Error;
  return query;
}

/** Reads rows by the API of node-postgres alone. */
async function readArrays(reads: Pick<Reads, 'query'>, { text, sql, selection, parentCount }: RowStatement): Promise<RowLists<unknown>> {
  const { limit = Infinity } = selection;
  const query: pg.QueryArrayConfig = { ...prepared(text, sql.values), rowMode: 'array' };
  const { rows } = (await reads.query(query)) as unknown as pg.QueryArrayResult<unknown[]>;
  const lists: Row[][] = Array.from({ length: Math.max(1, parentCount) }, () => []);
  for (const values of rows) {
    const list = lists[parentCount > 0 ? (values[0] as number) - 1 : 0]!;
    let column = parentCount > 0 ? 1 : 0;
    if (list.length < limit) list.push(readObject(sql.columns, () => values[column++]));
  }
  return { lists, count: rows.length };
}

/** Returns a row as a plain object. @param nextValue returns the values of its columns, in their order. */
function readObject({ own, related, joined }: Columns, nextValue: () => unknown): Row {
  const row: Row = {};
  for (const name of own) row[name] = nextValue();
  for (const [relation, field] of related) row[relation] = { ...(row[relation] as Row | undefined), [field]: nextValue() };
  if (joined === null) return row;
  const values = joined.map((name) => [name, nextValue()] as const);
  row.joined = values[0]![1] === null ? null : Object.fromEntries(values);
  return row;
}

/** Members of node-postgres 8.23's query that its types lack; test/reader/select.test.ts fails when they change. */
interface RowHandlers {
  handleRowDescription(message: { fields: readonly { dataTypeID: number }[] }): void;
  handleDataRow(row: DataRow): void;
}

/** A query that handles each row on arrival, without the Result and row objects of node-postgres. */
class RowQuery extends pg.Query implements RowHandlers, RowLists<unknown> {
  lists: (unknown[] | RowList)[] = [];
  count = 0;
  /** The first error in a row. Thrown only after the rest of the result has arrived. */
  failure: unknown;
  readonly #statement: RowStatement;
  readonly #limit: number;
  #parsers: readonly Parse[] = [];

  constructor(statement: RowStatement) {
    super(prepared(statement.text, statement.sql.values));
    this.#statement = statement;
    this.#limit = statement.selection.limit ?? Infinity;
  }

  handleRowDescription({ fields }: Parameters<RowHandlers['handleRowDescription']>[0]): void {
    const { selection, parentCount } = this.#statement;
    this.#parsers = fields.map(({ dataTypeID }) => parserOf(dataTypeID));
    const view = selection.asViews ? this.#viewClass() : undefined;
    this.lists = Array.from({ length: Math.max(1, parentCount) }, () => (view === undefined ? [] : new RowList(view)));
  }

  handleDataRow(row: DataRow): void {
    try {
      this.#add(row);
    } catch (error) {
      this.failure ??= error;
    }
  }

  #add({ buffer, at }: DataRow): void {
    const hasParents = this.#statement.parentCount > 0;
    const list = this.lists[hasParents ? integerAt(buffer, at) - 1 : 0]!;
    this.count += 1;
    if (list.length >= this.#limit) return;
    const begin = hasParents ? nextColumn(buffer, at) : at;
    if (list instanceof RowList) list.add(buffer, begin);
    else list.push(this.#readObject(buffer, begin));
  }

  get #firstColumn(): number {
    return this.#statement.parentCount > 0 ? 1 : 0;
  }

  #viewClass(): RowViewClass {
    const { text, sql } = this.#statement;
    const entry = statements.find(text);
    const view = entry?.view ?? createView(sql.columns, this.#parsers.slice(this.#firstColumn));
    if (entry !== undefined) entry.view = view;
    return view;
  }

  #readObject(buffer: DataRow['buffer'], begin: number): Row {
    let column = this.#firstColumn;
    let at = begin;
    return readObject(this.#statement.sql.columns, () => {
      const text = textAt(buffer, at);
      const parse = this.#parsers[column]!;
      column += 1;
      at = nextColumn(buffer, at);
      return text === null || parse === null ? text : parse(text);
    });
  }
}
