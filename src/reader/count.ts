import type { ChildList, RowSource } from './select.ts';
import { prepared } from './statements.ts';
import { columnOf, condition, conjunction, fromModel, parameter, type Filter, type Statement } from './where.ts';

export interface CountOptions {
  filter: Filter;
  /** Counts the different values of this column instead of the rows. */
  distinct?: string | undefined;
}

/**
 * Counts the rows of a to-many relation in one statement. Returns the counts by parent id, without the parents that
 * have no rows.
 */
export async function countByParents(
  source: RowSource,
  { model, relation: name, parentIds }: ChildList,
  { filter, distinct }: CountOptions,
): Promise<Map<string, number>> {
  const relation = source.models[model]?.relations.get(name);
  if (relation?.many !== true) throw new Error(`${model} has no list ${name}`);
  const statement: Statement = { models: source.models, values: [], tables: 0 };
  const from = fromModel(statement, relation.model);
  const parent = `${from.alias}."${relation.other}"`;
  // Writes `=` for a single value, because the planner estimates ten values for `= any` with a parameter.
  const isChild =
    parentIds.length === 1
      ? `${parent} = ${parameter(statement, parentIds[0])}`
      : `${parent} = any(${parameter(statement, parentIds)}::uuid[])`;
  const matches = conjunction([isChild, condition(statement, from, filter)]);
  const count = distinct === undefined ? 'count(*)' : `count(distinct ${columnOf(from, distinct)})`;
  const text = `select ${parent} as "id", ${count}::int as "count" from ${from.joins.join(' ')} where ${matches} group by ${parent}`;
  const { rows } = await source.reads.query<{ id: string; count: number }>(prepared(text, statement.values));
  return new Map(rows.map((row) => [row.id, row.count]));
}
