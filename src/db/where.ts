import type { Model, Models } from './schema-metadata.ts';

/** Prisma's filters and orders as SQL with parameters. What is not known here is refused, never left out. */

export type Filter = Record<string, unknown>;

/** What the parts of one statement have in common. */
export interface Statement {
  models: Models;
  values: unknown[];
  tables: number;
}

/** A table in a statement, with those joined to it. */
export interface From {
  alias: string;
  model: Model;
  /** What stands after `from`, in the end. */
  joins: string[];
  joined: Map<string, From>;
}

/** Instants go as UTC, whatever the time zone of the process. */
export const parameter = ({ values }: Statement, value: unknown): string =>
  `$${values.push(value instanceof Date ? value.toISOString() : value)}`;

export function fromModel(statement: Statement, name: string): From {
  const model = statement.models[name];
  if (model === undefined) throw new Error(`no model is called ${name}`);
  const alias = `"t${statement.tables++}"`;
  return { alias, model, joins: [`"public"."${model.table}" as ${alias}`], joined: new Map() };
}

export function columnOf({ alias, model }: From, field: string): string {
  const column = model.columns.get(field);
  if (column === undefined) throw new Error(`${model.table} has no ${field}`);
  return `${alias}."${column}"`;
}

/** The row that a row belongs to, joined once however often it is meant; its columns are null where there is none. */
export function joinOne(statement: Statement, from: From, relation: string): From {
  let joined = from.joined.get(relation);
  if (joined === undefined) {
    const to = from.model.relations.get(relation);
    if (to === undefined || to.many) throw new Error(`${from.model.table} belongs to no ${relation}`);
    joined = fromModel(statement, to.model);
    from.joins.push(`left join ${joined.joins[0]!} on ${joined.alias}."${to.other}" = ${from.alias}."${to.own}"`);
    // What it belongs to in turn is joined in the same place.
    joined.joins = from.joins;
    from.joined.set(relation, joined);
  }
  return joined;
}

/** Prisma's `{ sortKey: 'asc' }` or `{ student: { sortKey: 'asc' } }`. */
export function order(statement: Statement, from: From, by: object): readonly [column: string, direction: 'asc' | 'desc'] {
  const [[field, direction] = ['', ''], ...more] = Object.entries(by) as [string, unknown][];
  if (more.length > 0) throw new Error('an order names one column at a time');
  if (typeof direction === 'object' && direction !== null) return order(statement, joinOne(statement, from, field), direction);
  if (direction !== 'asc' && direction !== 'desc') throw new Error('an order is asc or desc');
  return [columnOf(from, field), direction];
}

/** All conditions of a filter, without brackets; empty for a filter that is empty. */
export function condition(statement: Statement, from: From, filter: Filter): string {
  return conjunction(Object.entries(filter).map(([key, given]) => entryCondition(statement, from, key, given)));
}

export const conjunction = (parts: readonly string[]): string => parts.filter((part) => part !== '').join(' and ');

/** In brackets, where an empty filter would turn into its contrary. */
function bracketed(statement: Statement, from: From, filter: Filter): string {
  const inner = condition(statement, from, filter);
  if (inner === '') throw new Error('an empty filter stands in OR or NOT');
  return `(${inner})`;
}

function entryCondition(statement: Statement, from: From, key: string, given: unknown): string {
  if (key === 'AND') return conjunction(filtersOf(given).map((each) => condition(statement, from, each)));
  if (key === 'NOT') return conjunction(filtersOf(given).map((each) => `not ${bracketed(statement, from, each)}`));
  if (key === 'OR') {
    const alternatives = filtersOf(given).map((each) => bracketed(statement, from, each));
    if (alternatives.length === 0) throw new Error('an OR has no alternatives');
    return `(${alternatives.join(' or ')})`;
  }
  const relation = from.model.relations.get(key);
  if (relation === undefined) return columnCondition(statement, from, key, given);
  const [filter, ...more] = filtersOf(given);
  if (filter === undefined || more.length > 0) throw new Error(`a condition on ${key} is one filter`);
  if (!relation.many) {
    const joined = joinOne(statement, from, key);
    return `(${conjunction([`${joined.alias}."${relation.other}" is not null`, condition(statement, joined, filter)])})`;
  }
  const { some, ...others } = filter;
  if (some === undefined || Object.keys(others).length > 0) throw new Error(`a condition on the list ${key} is "some"`);
  const inner = fromModel(statement, relation.model);
  const where = conjunction([`${inner.alias}."${relation.other}" = ${from.alias}."${relation.own}"`, condition(statement, inner, some as Filter)]);
  return `exists (select 1 from ${inner.joins.join(' ')} where ${where})`;
}

const filtersOf = (given: unknown): Filter[] =>
  [given].flat().map((each) => {
    if (typeof each !== 'object' || each === null) throw new Error('a filter is an object');
    return each as Filter;
  });

const comparisonOperators: Record<string, string> = { equals: '=', not: '<>', gt: '>', gte: '>=', lt: '<', lte: '<=' };

function columnCondition(statement: Statement, from: From, field: string, given: unknown): string {
  if (given === null || typeof given !== 'object' || given instanceof Date) return compare(statement, from, field, 'equals', given);
  const parts = Object.entries(given).map(([operator, value]) => compare(statement, from, field, operator, value));
  if (parts.length === 0) throw new Error('a condition is empty');
  return conjunction(parts);
}

function compare(statement: Statement, from: From, field: string, operator: string, value: unknown): string {
  const column = columnOf(from, field);
  if (value === null && operator === 'equals') return `${column} is null`;
  if (value === null && operator === 'not') return `${column} is not null`;
  // One value is asked for as such: a plan made for any array would reckon with ten.
  if (operator === 'in' && Array.isArray(value) && value.every(isValue))
    return value.length === 1 ? `${column} = ${parameter(statement, value[0])}` : `${column} = any(${parameter(statement, value)})`;
  // By no index: it is asked among the few that another condition leaves, and an index of all rows would mislead the plan.
  if (operator === 'contains' && typeof value === 'string') return `strpos(${column}, ${parameter(statement, value)}) > 0`;
  const sign = Object.hasOwn(comparisonOperators, operator) ? comparisonOperators[operator] : undefined;
  if (sign !== undefined && isColumn(value)) return `${column} ${sign} ${columnOf(from, value.name)}`;
  if (sign === undefined || !isValue(value)) throw new Error(`a condition "${operator}" is not known`);
  return `${column} ${sign} ${parameter(statement, value)}`;
}

/** Another column of the same row, as Prisma means it: `prisma.invitation.fields.maxUses`. */
const isColumn = (value: unknown): value is { name: string } =>
  typeof value === 'object' && value !== null && 'modelName' in value && 'name' in value;

const isValue = (value: unknown): boolean =>
  ['string', 'number', 'bigint', 'boolean'].includes(typeof value) || value instanceof Date;
