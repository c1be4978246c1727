import type { Models } from './models.ts';
import type { Columns } from './row-view.ts';
import { columnOf, condition, conjunction, fromModel, joinOne, order, parameter, type Filter, type From, type Statement } from './where.ts';

export interface SelectOptions {
  where: Filter;
  orderBy?: readonly object[];
  /** Of several rows with the same values in these columns, returns only the first. The order must start with these columns. */
  distinct?: readonly string[];
  limit?: number;
  /** The columns to read; all by default. */
  columns?: ReadonlySet<string> | undefined;
  /** Columns of to-one relations to read too: `student.sortKey` becomes `student: { sortKey }` in the row. */
  related?: readonly string[];
  /** A to-one relation to read into the row as `joined`. `joined` is null if the related row does not match the filter. */
  joined?: Join | undefined;
  /** Locks the rows until the transaction ends. */
  lock?: 'share' | 'no key update';
  /** Returns RowViews, which decode a column on access. `plain` copies a RowView to a plain object. */
  asViews?: boolean;
}

export interface Join {
  relation: string;
  /** The filter that the related row must match. */
  where: Filter;
  columns?: ReadonlySet<string> | undefined;
}

/** Restricts rows to those whose `column` holds one of the ids of parents. */
export interface ParentIds {
  column: string;
  ids: readonly string[];
}

/**
 * Writes the SQL of a selection. `rows`, `lateral`, `unranked` and `ranked` are different statements with the same
 * parameters, `values`. The last three are for many parents: their rows start with the position of the parent, counted
 * from 1.
 */
export class SelectSql {
  /** The columns of a row, in their order. */
  readonly columns: Columns;
  readonly #selection: SelectOptions;
  readonly #statement: Statement;
  readonly #from: From;
  /** The placeholder of the list of parent ids, or of the id if there is only one parent. */
  readonly #parentParameter: string;
  readonly #isChild: (id: string) => string;
  /** The SQL of each column. */
  readonly #expressions: string[] = [];
  readonly #where: string;
  readonly #order: readonly (readonly [column: string, direction: string])[];

  constructor(models: Models, model: string, selection: SelectOptions, parents?: ParentIds) {
    const statement: Statement = { models, values: [], tables: 0 };
    this.#selection = selection;
    this.#statement = statement;
    this.#parentParameter = parents === undefined ? '' : parameter(statement, parents.ids.length === 1 ? parents.ids[0] : parents.ids);
    const from = (this.#from = fromModel(statement, model));
    this.#isChild = (id) => (parents === undefined ? '' : `${from.alias}."${parents.column}" = ${id}`);
    this.columns = this.#addColumns();
    this.#where = condition(statement, from, selection.where);
    this.#order = (selection.orderBy ?? []).map((entry) => order(statement, from, entry));
  }

  get values(): unknown[] {
    return this.#statement.values;
  }

  /** Whether the order starts with a column of a joined table. No index covers such an order, so PostgreSQL reads all rows. */
  get ordersByJoinedColumn(): boolean {
    return Object.values(this.#selection.orderBy?.[0] ?? {}).some((value) => typeof value === 'object');
  }

  /** Selects all rows that match. If the statement has a parent, selects only the rows of this parent. */
  get rows(): string {
    return this.#select(this.#expressions, this.#isChild(this.#parentParameter));
  }

  /**
   * Selects the rows of each parent separately. This is fast if the order uses no column of a joined table: PostgreSQL
   * then reads only the rows that it returns, by an index.
   */
  get lateral(): string {
    const rows = this.#select(numbered(this.#expressions), this.#isChild('"parent"."id"'));
    return `select "parent"."n"::int, "row".* from ${this.#parents} cross join lateral (${rows}) as "row"`;
  }

  /**
   * Selects the rows of all parents together, up to one row more than the pages of all parents can hold. If the result has
   * fewer rows, as nearly always, it contains all rows of all parents. Otherwise rows may be missing, and `findByParents`
   * executes `ranked` instead.
   */
  get unranked(): string {
    const maxRows = `cardinality(${this.#parentParameter}::uuid[]) * ${this.#limit}`;
    return `select ${['"parent"."n"::int', ...this.#expressions].join(', ')} ${this.#childrenOfAll} order by ${this.#orderBy} limit ${maxRows} + 1`;
  }

  /** Selects the first rows of each parent. Ranking the rows takes a third longer than `unranked`. */
  get ranked(): string {
    const rank = `row_number() over (partition by "parent"."n" order by ${this.#orderBy}) as "k"`;
    const keys = this.#order.map(([column], n) => `${column} as "o${n}"`);
    const ranked = `select ${['"parent"."n"', rank, ...numbered(this.#expressions), ...keys].join(', ')} ${this.#childrenOfAll}`;
    const columns = ['"n"::int', ...this.#expressions.map((_expression, n) => `"c${n}"`)].join(', ');
    // The final order is the order of the ranks, so that PostgreSQL sorts only once.
    const finalOrder = ['"n"', ...this.#order.map(([, direction], n) => `"o${n}" ${direction}`)].join(', ');
    return `select ${columns} from (${ranked}) as "row" where "k" <= ${this.#limit} order by ${finalOrder}`;
  }

  #addColumns(): Columns {
    const { columns, related = [], joined } = this.#selection;
    const own = this.#addFields(this.#from, columns);
    const relatedFields = related.map((path) => {
      const [relation, field] = path.split('.') as [string, string];
      this.#expressions.push(columnOf(joinOne(this.#statement, this.#from, relation), field));
      return [relation, field] as const;
    });
    return { own, related: relatedFields, joined: joined === undefined ? null : this.#addJoined(joined) };
  }

  #addFields(table: From, names: Iterable<string> = table.model.columns.keys()): string[] {
    const fields = [...names];
    for (const field of fields) this.#expressions.push(columnOf(table, field));
    return fields;
  }

  /** Adds the columns of the joined row. The first column is the row's id, or null if the row does not match the filter. */
  #addJoined({ relation, where, columns }: Join): string[] {
    const from = joinOne(this.#statement, this.#from, relation);
    const first = this.#expressions.length;
    const others = [...(columns ?? from.model.columns.keys())].filter((field) => field !== 'id');
    const fields = this.#addFields(from, ['id', ...others]);
    const matches = conjunction([`${from.alias}."id" is not null`, condition(this.#statement, from, where)]);
    this.#expressions[first] = `case when ${matches} then ${this.#expressions[first]} end`;
    return fields;
  }

  #select(expressions: readonly string[], parentCondition: string): string {
    const { distinct, limit, lock } = this.#selection;
    const from = this.#from;
    const where = conjunction([parentCondition, this.#where]);
    return [
      'select',
      ...(distinct === undefined ? [] : [`distinct on (${distinct.map((field) => columnOf(from, field)).join(', ')})`]),
      `${expressions.join(', ')} from ${from.joins.join(' ')}`,
      ...(where === '' ? [] : [`where ${where}`]),
      ...(this.#order.length === 0 ? [] : [`order by ${this.#orderBy}`]),
      ...(limit === undefined ? [] : [`limit ${this.#limit}`]),
      ...(lock === undefined ? [] : [`for ${lock} of ${from.alias}`]),
    ].join(' ');
  }

  get #parents(): string {
    return `unnest(${this.#parentParameter}::uuid[]) with ordinality as "parent"("id", "n")`;
  }

  get #childrenOfAll(): string {
    const [table, ...joins] = this.#from.joins;
    const rows = `from ${this.#parents} join ${[table, `on ${this.#isChild('"parent"."id"')}`, ...joins].join(' ')}`;
    return this.#where === '' ? rows : `${rows} where ${this.#where}`;
  }

  get #orderBy(): string {
    return this.#order.map((key) => key.join(' ')).join(', ');
  }

  /**
   * The limit is a part of the text and not a parameter, so that the planner knows it. Pages have at most 100
   * different sizes, so there are few different texts.
   */
  get #limit(): number {
    return Math.trunc(this.#selection.limit!);
  }
}

const numbered = (expressions: readonly string[]): string[] => expressions.map((expression, n) => `${expression} as "c${n}"`);
