import type { Models } from './models.ts';
import type { Reads } from './pipelined-pool.ts';
import type { RowFormat } from './row-parser.ts';
import { readRows, type RowLists } from './row-query.ts';
import type { ReadonlyRows } from './row-view.ts';
import { SelectSql, type SelectOptions } from './select-sql.ts';
import { statements } from './statements.ts';

/**
 * Reads rows by one prepared statement. Takes Prisma's filters and orders, and returns the same rows as Prisma. For
 * many rows it costs a fraction of Prisma's time; test/reader/select.test.ts compares the rows.
 */

export type { SelectOptions };

/** The source of rows: the database, or a transaction in it. */
export interface RowSource {
  models: Models;
  rows: RowFormat;
  reads: Pick<Reads, 'query'>;
}

/** Returns the rows of a model that match. */
export async function findRows<T>(source: RowSource, model: string, selection: SelectOptions): Promise<T[]> {
  const sql = new SelectSql(source.models, model, selection);
  const {
    lists: [rows],
  } = await readRows<T>(source, { text: sql.rows, sql, selection, parentCount: 0 });
  return Array.isArray(rows) ? (rows as T[]) : Array.from({ length: rows!.length }, (_none, n) => rows!.at(n)!);
}

/** The children of many parents: the rows of a to-many relation of `model`. */
export interface ChildList {
  model: string;
  relation: string;
  parentIds: readonly string[];
}

/** Returns, by parent id, the rows of a to-many relation. `limit` applies to each parent. */
export async function findByParents<T>(
  source: RowSource,
  { model, relation: name, parentIds }: ChildList,
  selection: SelectOptions,
): Promise<Map<string, ReadonlyRows<T>>> {
  const relation = source.models[model]?.relations.get(name);
  if (relation?.many !== true) throw new Error(`${model} has no list ${name}`);
  const sql = new SelectSql(source.models, relation.model, selection, { column: relation.other, ids: parentIds });
  const count = parentIds.length;
  const run = (text: string, parentCount = count): Promise<RowLists<T>> => readRows<T>(source, { text, sql, selection, parentCount });
  const byParent = ({ lists }: RowLists<T>) => new Map(parentIds.map((id, n) => [id, lists[n]!]));
  if (count === 1) return byParent(await run(sql.rows, 0));
  const { limit } = selection;
  if (limit === undefined || !sql.ordersByJoinedColumn) return byParent(await run(sql.lateral));
  const { unranked } = sql;
  if (!statements.find(unranked)?.needsRanking) {
    const found = await run(unranked);
    if (found.count <= count * limit) return byParent(found);
    const entry = statements.find(unranked);
    if (entry !== undefined) entry.needsRanking = true;
  }
  return byParent(await run(sql.ranked));
}
