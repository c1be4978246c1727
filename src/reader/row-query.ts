import pg from 'pg';
import { parserOf } from './parsers.ts';
import type { Reads } from './pipelined-pool.ts';
import type { DataRow } from './row-parser.ts';
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
  /** At most `limit` rows for each parent; one list without parents. */
  lists: ReadonlyRows<T>[];
  /** Number of rows that the database returned. */
  count: number;
}

/** Members of the query of node-postgres 8.23 that its types lack; test/reader/select.test.ts fails when they change. */
interface RowHandlers {
  handleRowDescription(message: { fields: readonly { dataTypeID: number }[] }): void;
  handleDataRow(row: DataRow): void;
}

/** Executes a statement, and handles each row on arrival, without the Result and row objects of node-postgres. */
export class RowQuery<T> extends pg.Query implements RowHandlers {
  readonly #text: string;
  readonly #columns: Columns;
  readonly #asViews: boolean;
  readonly #limit: number;
  readonly #parentCount: number;
  #parsers: readonly Parse[] = [];
  #lists: (unknown[] | RowList)[] = [];
  #count = 0;
  /** The first error in a row. Thrown only after the rest of the result has arrived. */
  #failure: unknown;

  /** @param parentCount if above 0, the first column of the statement is the position of the parent, counted from 1. */
  constructor(text: string, { values, columns }: SelectSql, { asViews = false, limit = Infinity }: SelectOptions, parentCount = 0) {
    super(prepared(text, values));
    this.#text = text;
    this.#columns = columns;
    this.#asViews = asViews;
    this.#limit = limit;
    this.#parentCount = parentCount;
  }

  async run(reads: Pick<Reads, 'query'>): Promise<RowLists<T>> {
    await reads.query(this);
    if (this.#failure !== undefined) throw this.#failure as Error;
    return { lists: this.#lists as ReadonlyRows<T>[], count: this.#count };
  }

  handleRowDescription({ fields }: Parameters<RowHandlers['handleRowDescription']>[0]): void {
    this.#parsers = fields.map(({ dataTypeID }) => parserOf(dataTypeID));
    const view = this.#asViews ? this.#viewClass() : undefined;
    this.#lists = Array.from({ length: Math.max(1, this.#parentCount) }, () => (view === undefined ? [] : new RowList(view)));
  }

  handleDataRow(row: DataRow): void {
    try {
      this.#add(row);
    } catch (error) {
      this.#failure ??= error;
    }
  }

  #add({ buffer, at }: DataRow): void {
    const hasParents = this.#parentCount > 0;
    const list = this.#lists[hasParents ? integerAt(buffer, at) - 1 : 0]!;
    this.#count += 1;
    if (list.length >= this.#limit) return;
    const begin = hasParents ? nextColumn(buffer, at) : at;
    if (list instanceof RowList) list.add(buffer, begin);
    else list.push(this.#readObject(buffer, begin));
  }

  get #firstColumn(): number {
    return this.#parentCount > 0 ? 1 : 0;
  }

  #viewClass(): RowViewClass {
    const entry = statements.find(this.#text);
    const view = entry?.view ?? createView(this.#columns, this.#parsers.slice(this.#firstColumn));
    if (entry !== undefined) entry.view = view;
    return view;
  }

  #readObject(buffer: DataRow['buffer'], begin: number): Row {
    const { own, related, joined } = this.#columns;
    const parsers = this.#parsers;
    let column = this.#firstColumn;
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
}
