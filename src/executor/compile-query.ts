import {
  GraphQLError, isLeafType, isListType, isNonNullType, isObjectType, Kind, SchemaMetaFieldDef, TypeMetaFieldDef, visit, type DocumentNode, type FieldNode,
  type FragmentDefinitionNode, type GraphQLAbstractType, type GraphQLField, type GraphQLNonNull, type GraphQLObjectType, type GraphQLOutputType, type GraphQLSchema,
  type OperationDefinitionNode,
} from 'graphql';
import { collectFields, collectSubfields } from 'graphql/execution/collectFields.js';
import { inspect } from 'graphql/jsutils/inspect.js';
import { cacheBudget, LruCache } from '../lru.ts';
import { writeList, writeObject } from './execute-fields.ts';
import { completeOrDefer } from './deferred.ts';
import { buildResolveInfo, type CompiledQuery, type CompleteValue, type CompiledField, type Plan, type ExecutionState } from './execution-state.ts';
import type { ReadonlyRows } from '../reader/row-view.ts';
import { StaticBytes } from './json-writer.ts';
import { rawColumnWriter } from './raw-columns.ts';

/** Planning a query: which fields are asked of which type, and how each is completed; once for a document. */

/** Plans by document, then by operation and by the values of its directives' variables; null after `dropPlans`. */
const plans = new WeakMap<DocumentNode, Map<string, CachedPlan> | null>();

interface CachedPlan {
  document: DocumentNode;
  key: string;
  cache: PlanCache;
  /** Null where the query is left to graphql. */
  compiled: CompiledQuery | null;
}

/**
 * Bytes of heap that a planned field takes. Measured on Node 20 as the growth of `heapUsed` after a full collection, over
 * 60 documents of 390 to 2,000 planned fields: 1,410 to 1,470 each.
 */
const fieldWeight = 1500;

/** Largest number of fields in a plan: nested fragments and fields of interfaces expand to many more than are written. */
const maxFields = 5000;

/** A budget for the plans of many documents: variables of @include multiply the plans of a single one. */
export type PlanCache = LruCache<CachedPlan, CachedPlan>;

export const createPlanCache = (maxWeight: number): PlanCache =>
  new LruCache({ maxWeight, onEvict: ({ document, key }) => plans.get(document)?.delete(key) });

const sharedPlans = createPlanCache(cacheBudget);

export interface Compilation {
  /** The plan of the query, or null where the query is left to graphql. */
  compiled: CompiledQuery | null;
  /** Number of fields that were planned for it now; 0 for a cached plan. */
  plannedFields: number;
}

/** Returns the plan of a query. @param cache holds the plan if it is a new one. */
export function compileQuery(
  schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode, variables: Record<string, unknown>, cache = sharedPlans,
): Compilation {
  let ofDocument = plans.get(document);
  if (ofDocument === undefined) plans.set(document, (ofDocument = new Map()));
  const key = [document.definitions.indexOf(operation), ...conditionVariables(document).map((name) => String(variables[name]))].join(' ');
  const found = ofDocument?.get(key);
  if (found !== undefined) {
    found.cache.get(found);
    return { compiled: found.compiled, plannedFields: 0 };
  }
  const compilation = compile(schema, document, operation, variables);
  if (ofDocument !== null) {
    const { compiled } = compilation;
    const plan: CachedPlan = { document, key, cache, compiled };
    if (cache.set(plan, plan, compiled?.weight ?? fieldWeight)) ofDocument.set(key, plan);
  }
  return compilation;
}

/** Drops the plans of a document that left the cache: they would keep its nodes in memory. */
export function dropPlans(document: DocumentNode): void {
  for (const plan of plans.get(document)?.values() ?? []) plan.cache.delete(plan);
  plans.set(document, null);
}

const conditionVariablesOf = new WeakMap<DocumentNode, string[]>();

/** The variables that decide what is left out: those of @skip and @include. */
function conditionVariables(document: DocumentNode): string[] {
  let names = conditionVariablesOf.get(document);
  if (names === undefined) {
    const found = new Set<string>();
    visit(document, { Directive: (directive) => visit(directive, { Variable: ({ name }) => void found.add(name.value) }) });
    conditionVariablesOf.set(document, (names = [...found]));
  }
  return names;
}

function compile(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode, variables: Record<string, unknown>): Compilation {
  const fragments = Object.create(null) as Record<string, FragmentDefinitionNode>;
  for (const node of document.definitions) if (node.kind === Kind.FRAGMENT_DEFINITION) fragments[node.name.value] = node;
  let count = 0;

  const planOf = (type: GraphQLObjectType, groups: ReadonlyMap<string, readonly FieldNode[]>): Plan => {
    if (type.isTypeOf) throw new UnsupportedQuery();
    const plan: CompiledField[] = [];
    for (const [name, nodes] of groups) {
      const asked = nodes[0]!.name.value;
      const meta = asked === '__typename';
      const definition = (meta ? { name: asked, args: [] } : (introspectionFields.get(asked) ?? type.getFields()[asked])) as GraphQLField<unknown, unknown> | undefined;
      // graphql leaves out what does not exist.
      if (definition === undefined) continue;
      if (count === maxFields) throw new UnsupportedQuery();
      const keyBytes = new StaticBytes(`${plan.length === 0 ? '{' : ','}${JSON.stringify(name)}:`);
      const { resolve } = definition;
      const of = {
        name, nodes, parentType: type, definition, resolve, keyBytes,
        hasNoArguments: definition.args.length === 0,
        needsInfo: resolve !== undefined && resolve.length > 3,
        argumentsIndex: count++,
      };
      if (meta) plan.push({ ...of, constant: new StaticBytes(JSON.stringify(type.name)), rawColumns: undefined, nullable: false, complete: () => undefined });
      else plan.push({ ...of, constant: undefined, rawColumns: rawColumnWriter(definition), nullable: !isNonNullType(definition.type), complete: completer(definition.type, nodes) });
    }
    return plan;
  };

  const subPlans = (nodes: readonly FieldNode[]): ((type: GraphQLObjectType) => Plan) => {
    const plans = new Map<GraphQLObjectType, Plan>();
    return (type) => {
      let plan = plans.get(type);
      if (plan === undefined) plans.set(type, (plan = planOf(type, collectSubfields(schema, fragments, variables, type, nodes))));
      return plan;
    };
  };

  const completer = (type: GraphQLOutputType, nodes: readonly FieldNode[]): CompleteValue => {
    const nullable = !isNonNullType(type);
    const inner = (isNonNullType(type) ? type.ofType : type) as Nullable;
    const isNull = (run: ExecutionState, field: CompiledField): void => {
      if (nullable) return run.writer.json('null');
      throw new Error(`Cannot return null for non-nullable field ${field.parentType.name}.${field.definition.name}.`);
    };
    if (isObjectType(inner)) {
      const plan = subPlans(nodes)(inner);
      return (run, field, value, key) => {
        if (value instanceof Error) throw value;
        if (value === null || value === undefined) isNull(run, field);
        else writeObject(run, plan, value, key, nullable);
      };
    }
    const complete = completerOf(inner, nullable, nodes);
    return (run, field, value, key) => {
      if (value instanceof Error) throw value;
      if (value === null || value === undefined) isNull(run, field);
      else complete(run, field, value, key);
    };
  };

  const completerOf = (type: Exclude<Nullable, GraphQLObjectType>, nullable: boolean, nodes: readonly FieldNode[]): CompleteValue => {
    if (isLeafType(type))
      return ({ writer }, _field, value) => {
        const serialized = type.serialize(value);
        if (typeof serialized === 'string') return writer.string(serialized);
        if (serialized !== null && serialized !== undefined) return writer.json(JSON.stringify(serialized));
        throw new Error(`Expected \`${inspect(type)}.serialize(${inspect(value)})\` to return non-nullable value, returned: ${inspect(serialized)}`);
      };
    if (isListType(type)) {
      const itemNullable = !isNonNullType(type.ofType);
      const complete = completer(type.ofType, nodes);
      return (run, field, value, key) => {
        if (typeof value !== 'object' || typeof (value as Iterable<unknown>)[Symbol.iterator] !== 'function')
          throw new GraphQLError(`Expected Iterable, but did not find one for field "${field.parentType.name}.${field.definition.name}".`);
        writeList(run, field, complete, itemNullable, isReadonlyRows(value) ? value : [...(value as Iterable<unknown>)], key, nullable);
      };
    }
    if (!type.resolveType) throw new UnsupportedQuery();
    const plans = subPlans(nodes);
    for (const possible of schema.getPossibleTypes(type)) plans(possible);
    return (run, field, value, key) => {
      const complete: CompleteValue = (_run, _field, name) => writeObject(run, plans(concreteType(schema, type, name)), value, key, nullable);
      const name = type.resolveType!(value, run.contextValue, buildResolveInfo(run, field), type);
      completeOrDefer(run, field, complete, nullable, name, key);
    };
  };

  try {
    const root = schema.getRootType(operation.operation)!;
    const plan = planOf(root, collectFields(schema, fragments, variables, root, operation.selectionSet));
    return { compiled: { operation, fragments, plan, weight: fieldWeight * (1 + count) }, plannedFields: count };
  } catch (error) {
    // graphql-js reports a directive that is given null.
    if (error instanceof UnsupportedQuery || error instanceof GraphQLError) return { compiled: null, plannedFields: count };
    throw error;
  }
}

/** Fields of the query type that are not among those of its definition. Validation admits them nowhere else. */
const introspectionFields = new Map([SchemaMetaFieldDef, TypeMetaFieldDef].map((field) => [field.name, field]));

/** The operation has something that plans do not support, or too many fields. */
class UnsupportedQuery extends Error {}

type Nullable = Exclude<GraphQLOutputType, GraphQLNonNull<never>>;

/** Returns whether a list gives its items by their index: an array, or a page of rows. */
const isReadonlyRows = (list: object | null): list is ReadonlyRows<unknown> =>
  Array.isArray(list) || (list !== null && 'at' in list && 'length' in list);

/** An unknown type is this program's own mistake, and is told without the value. */
function concreteType(schema: GraphQLSchema, type: GraphQLAbstractType, name: unknown): GraphQLObjectType {
  const found = typeof name === 'string' ? schema.getType(name) : undefined;
  if (isObjectType(found) && schema.isSubType(type, found)) return found;
  throw new Error(`a value is of no type of ${type.name}`);
}
