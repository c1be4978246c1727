import type { Model, Models } from './models.ts';

/**
 * This file translates Prisma's filters and orders to SQL with parameters. It throws on an unknown operator instead of
 * ignoring it.
 */

export type Filter = Record<string, unknown>;

/** The state that the parts of one statement share. */
export interface Statement {
  models: Models;
  values: unknown[];
  tables: number;
}

/** A table in a statement, with the tables joined to it. */
export interface From {
  alias: string;
  model: Model;
  /** The items of the FROM clause: the table, then its joins. */
  joins: string[];
  joined: Map<string, From>;
}

/** Adds a value and returns its placeholder. Writes dates in UTC, independent of the process's time zone. */
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

/** Joins a to-one relation, once per statement. The joined columns are null if there is no related row. */
export function joinOne(statement: Statement, from: From, relation: string): From {
  let joined = from.joined.get(relation);
  if (joined === undefined) {
    const target = from.model.relations.get(relation);
    if (target === undefined || target.many) throw new Error(`${from.model.table} belongs to no ${relation}`);
    joined = fromModel(statement, target.model);
    from.joins.push(`left join ${joined.joins[0]!} on ${joined.alias}."${target.other}" = ${from.alias}."${target.own}"`);
    // Joins of the joined table go into the same FROM clause.
    joined.joins = from.joins;
    from.joined.set(relation, joined);
  }
  return joined;
}

/** Translates an order, such as `{ sortKey: 'asc' }` or `{ student: { sortKey: 'asc' } }`. */
export function order(statement: Statement, from: From, orderBy: object): readonly [column: string, direction: 'asc' | 'desc'] {
  const [[field, direction] = ['', ''], ...others] = Object.entries(orderBy) as [string, unknown][];
  if (others.length > 0) throw new Error('an order names one column at a time');
  if (typeof direction === 'object' && direction !== null) return order(statement, joinOne(statement, from, field), direction);
  if (direction !== 'asc' && direction !== 'desc') throw new Error('an order is asc or desc');
  return [columnOf(from, field), direction];
}

/** Returns the conditions of a filter joined by AND, without brackets; empty for an empty filter. */
export function condition(statement: Statement, from: From, filter: Filter): string {
  return conjunction(Object.entries(filter).map(([key, value]) => entryCondition(statement, from, key, value)));
}

export const conjunction = (parts: readonly string[]): string => parts.filter((part) => part !== '').join(' and ');

/** Returns the conditions in brackets. @throws Error for an empty filter, which has no conditions. */
function bracketed(statement: Statement, from: From, filter: Filter): string {
  const inner = condition(statement, from, filter);
  if (inner === '') throw new Error('an empty filter stands in OR or NOT');
  return `(${inner})`;
}

function entryCondition(statement: Statement, from: From, key: string, value: unknown): string {
  if (key === 'AND') return conjunction(filtersOf(value).map((part) => condition(statement, from, part)));
  if (key === 'NOT') return conjunction(filtersOf(value).map((part) => `not ${bracketed(statement, from, part)}`));
  if (key === 'OR') {
    const alternatives = filtersOf(value).map((part) => bracketed(statement, from, part));
    if (alternatives.length === 0) throw new Error('an OR has no alternatives');
    return `(${alternatives.join(' or ')})`;
  }
  const relation = from.model.relations.get(key);
  if (relation === undefined) return columnCondition(statement, from, key, value);
  const [filter, ...otherFilters] = filtersOf(value);
  if (filter === undefined || otherFilters.length > 0) throw new Error(`a condition on ${key} is one filter`);
  if (!relation.many) {
    const joined = joinOne(statement, from, key);
    return `(${conjunction([`${joined.alias}."${relation.other}" is not null`, condition(statement, joined, filter)])})`;
  }
  const { some, ...otherQuantifiers } = filter;
  if (some === undefined || Object.keys(otherQuantifiers).length > 0) throw new Error(`a condition on the list ${key} is "some"`);
  const inner = fromModel(statement, relation.model);
  const where = conjunction([
    `${inner.alias}."${relation.other}" = ${from.alias}."${relation.own}"`,
    condition(statement, inner, some as Filter),
  ]);
  return `exists (select 1 from ${inner.joins.join(' ')} where ${where})`;
}

const filtersOf = (value: unknown): Filter[] =>
  [value].flat().map((filter) => {
    if (typeof filter !== 'object' || filter === null) throw new Error('a filter is an object');
    return filter as Filter;
  });

const comparisonOperators: Record<string, string> = { equals: '=', not: '<>', gt: '>', gte: '>=', lt: '<', lte: '<=' };

function columnCondition(statement: Statement, from: From, field: string, value: unknown): string {
  if (value === null || typeof value !== 'object' || value instanceof Date) return compare(statement, from, field, 'equals', value);
  const parts = Object.entries(value).map(([operator, operand]) => compare(statement, from, field, operator, operand));
  if (parts.length === 0) throw new Error('a condition is empty');
  return conjunction(parts);
}

function compare(statement: Statement, from: From, field: string, operator: string, value: unknown): string {
  const column = columnOf(from, field);
  if (value === null && operator === 'equals') return `${column} is null`;
  if (value === null && operator === 'not') return `${column} is not null`;
  // Writes `=` for a single value, because the planner estimates ten values for `= any` with a parameter.
  if (operator === 'in' && Array.isArray(value) && value.every(isValue))
    return value.length === 1 ? `${column} = ${parameter(statement, value[0])}` : `${column} = any(${parameter(statement, value)})`;
  // strpos instead of LIKE, so that PostgreSQL uses no trigram index: the other conditions already leave few rows, and
  // an index over all rows would be slower.
  if (operator === 'contains' && typeof value === 'string') return `strpos(${column}, ${parameter(statement, value)}) > 0`;
  const sign = Object.hasOwn(comparisonOperators, operator) ? comparisonOperators[operator] : undefined;
  if (sign !== undefined && isColumn(value)) return `${column} ${sign} ${columnOf(from, value.name)}`;
  if (sign === undefined || !isValue(value)) throw new Error(`a condition "${operator}" is not known`);
  return `${column} ${sign} ${parameter(statement, value)}`;
}

/** Returns whether the value is a field reference: `prisma.invitation.fields.maxUses`, a column of the same row. */
const isColumn = (value: unknown): value is { name: string } =>
  typeof value === 'object' && value !== null && 'modelName' in value && 'name' in value;

const isValue = (value: unknown): boolean => ['string', 'number', 'bigint', 'boolean'].includes(typeof value) || value instanceof Date;
