import {
  GraphQLError,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  SchemaMetaFieldDef,
  TypeMetaFieldDef,
  visit,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLAbstractType,
  type GraphQLField,
  type GraphQLNonNull,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLSchema,
  type OperationDefinitionNode,
} from 'graphql';
import { collectFields, collectSubfields } from 'graphql/execution/collectFields.js';
import { inspect } from 'graphql/jsutils/inspect.js';
import { cacheBudget, LruCache } from '../lru.ts';
import { writeList, writeObject } from './execute-fields.ts';
import { completeOrDefer } from './deferred.ts';
import {
  buildResolveInfo,
  type CompiledQuery,
  type CompleteValue,
  type CompiledField,
  type Plan,
  type ExecutionState,
} from './execution-state.ts';
import type { ReadonlyRows } from '../reader/row-view.ts';
import { StaticBytes } from './json-writer.ts';
import { rawColumnWriter } from './raw-columns.ts';

/** Compiles a query into a plan, once per document: the fields selected on each type, and how to complete them. */

/** Plans by document, then by operation and the values of the variables in its directives; null after `dropPlans`. */
const plansByDocument = new WeakMap<DocumentNode, Map<string, CachedPlan> | null>();

interface CachedPlan {
  document: DocumentNode;
  key: string;
  cache: PlanCache;
  /** Null if graphql-js executes the query. */
  compiled: CompiledQuery | null;
}

/**
 * Bytes of heap per compiled field. Measured on Node 20 as the growth of `heapUsed` after a full collection, over
 * 60 documents of 390 to 2,000 compiled fields: 1,410 to 1,470 each.
 */
const fieldWeight = 1500;

/** Largest number of compiled fields: nested fragments and interfaces expand to many more than the document has. */
const maxFields = 5000;

/** Bounds the weight of all plans, since each combination of @include variables gives a document another plan. */
export type PlanCache = LruCache<CachedPlan, CachedPlan>;

export const createPlanCache = (maxWeight: number): PlanCache =>
  new LruCache({ maxWeight, onEvict: ({ document, key }) => plansByDocument.get(document)?.delete(key) });

const sharedPlans = createPlanCache(cacheBudget);

export interface Compilation {
  /** Null if graphql-js executes the query. */
  compiled: CompiledQuery | null;
  /** Number of fields that this call compiled; 0 for a cached plan. */
  plannedFields: number;
}

/** Returns the compiled query. @param cache stores it if it is new. */
export function compileQuery(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Record<string, unknown>,
  cache = sharedPlans,
): Compilation {
  let documentPlans = plansByDocument.get(document);
  if (documentPlans === undefined) plansByDocument.set(document, (documentPlans = new Map()));
  const key = [document.definitions.indexOf(operation), ...conditionVariables(document).map((name) => String(variables[name]))].join(' ');
  const cached = documentPlans?.get(key);
  if (cached !== undefined) {
    cached.cache.get(cached);
    return { compiled: cached.compiled, plannedFields: 0 };
  }
  const compilation = compile(schema, document, operation, variables);
  if (documentPlans !== null) {
    const { compiled } = compilation;
    const plan: CachedPlan = { document, key, cache, compiled };
    if (cache.set(plan, plan, compiled?.weight ?? fieldWeight)) documentPlans.set(key, plan);
  }
  return compilation;
}

/** Drops the plans of a document that left the document cache, since they keep its nodes in memory. */
export function dropPlans(document: DocumentNode): void {
  for (const plan of plansByDocument.get(document)?.values() ?? []) plan.cache.delete(plan);
  plansByDocument.set(document, null);
}

const conditionVariablesByDocument = new WeakMap<DocumentNode, string[]>();

/** Returns the names of the variables in the directives: @skip and @include select the fields by them. */
function conditionVariables(document: DocumentNode): string[] {
  let names = conditionVariablesByDocument.get(document);
  if (names === undefined) {
    const found = new Set<string>();
    visit(document, { Directive: (directive) => visit(directive, { Variable: ({ name }) => void found.add(name.value) }) });
    conditionVariablesByDocument.set(document, (names = [...found]));
  }
  return names;
}

function compile(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Record<string, unknown>,
): Compilation {
  const fragments = Object.create(null) as Record<string, FragmentDefinitionNode>;
  for (const node of document.definitions) if (node.kind === Kind.FRAGMENT_DEFINITION) fragments[node.name.value] = node;
  let count = 0;

  const compileFields = (type: GraphQLObjectType, groups: ReadonlyMap<string, readonly FieldNode[]>): Plan => {
    if (type.isTypeOf) throw new UnsupportedQuery();
    const plan: CompiledField[] = [];
    for (const [name, nodes] of groups) {
      const fieldName = nodes[0]!.name.value;
      const meta = fieldName === '__typename';
      const definition = (meta ? { name: fieldName, args: [] } : (introspectionFields.get(fieldName) ?? type.getFields()[fieldName])) as
        GraphQLField<unknown, unknown> | undefined;
      // graphql-js skips unknown fields too.
      if (definition === undefined) continue;
      if (count === maxFields) throw new UnsupportedQuery();
      const keyBytes = new StaticBytes(`${plan.length === 0 ? '{' : ','}${JSON.stringify(name)}:`);
      const { resolve } = definition;
      const common = {
        name,
        nodes,
        parentType: type,
        definition,
        resolve,
        keyBytes,
        hasNoArguments: definition.args.length === 0,
        needsInfo: resolve !== undefined && resolve.length > 3,
        argumentsIndex: count++,
      };
      if (meta)
        plan.push({
          ...common,
          constant: new StaticBytes(JSON.stringify(type.name)),
          rawColumns: undefined,
          nullable: false,
          complete: () => undefined,
        });
      else
        plan.push({
          ...common,
          constant: undefined,
          rawColumns: rawColumnWriter(definition),
          nullable: !isNonNullType(definition.type),
          complete: completer(definition.type, nodes),
        });
    }
    return plan;
  };

  const subPlansOf = (nodes: readonly FieldNode[]): ((type: GraphQLObjectType) => Plan) => {
    const plans = new Map<GraphQLObjectType, Plan>();
    return (type) => {
      let plan = plans.get(type);
      if (plan === undefined) plans.set(type, (plan = compileFields(type, collectSubfields(schema, fragments, variables, type, nodes))));
      return plan;
    };
  };

  const completer = (type: GraphQLOutputType, nodes: readonly FieldNode[]): CompleteValue => {
    const nullable = !isNonNullType(type);
    const inner = (isNonNullType(type) ? type.ofType : type) as Nullable;
    const completeNull = (state: ExecutionState, field: CompiledField): void => {
      if (nullable) return state.writer.json('null');
      throw new Error(`Cannot return null for non-nullable field ${field.parentType.name}.${field.definition.name}.`);
    };
    if (isObjectType(inner)) {
      const plan = subPlansOf(nodes)(inner);
      return (state, field, value, key) => {
        if (value instanceof Error) throw value;
        if (value === null || value === undefined) completeNull(state, field);
        else writeObject(state, plan, value, key, nullable);
      };
    }
    const complete = nonNullCompleter(inner, nullable, nodes);
    return (state, field, value, key) => {
      if (value instanceof Error) throw value;
      if (value === null || value === undefined) completeNull(state, field);
      else complete(state, field, value, key);
    };
  };

  const nonNullCompleter = (type: Exclude<Nullable, GraphQLObjectType>, nullable: boolean, nodes: readonly FieldNode[]): CompleteValue => {
    if (isLeafType(type))
      return ({ writer }, _field, value) => {
        const serialized = type.serialize(value);
        if (typeof serialized === 'string') return writer.string(serialized);
        if (serialized !== null && serialized !== undefined) return writer.json(JSON.stringify(serialized));
        throw new Error(
          `Expected \`${inspect(type)}.serialize(${inspect(value)})\` to return non-nullable value, returned: ${inspect(serialized)}`,
        );
      };
    if (isListType(type)) {
      const itemNullable = !isNonNullType(type.ofType);
      const complete = completer(type.ofType, nodes);
      return (state, field, value, key) => {
        if (typeof value !== 'object' || typeof (value as Iterable<unknown>)[Symbol.iterator] !== 'function')
          throw new GraphQLError(`Expected Iterable, but did not find one for field "${field.parentType.name}.${field.definition.name}".`);
        writeList(state, field, complete, itemNullable, isReadonlyRows(value) ? value : [...(value as Iterable<unknown>)], key, nullable);
      };
    }
    if (!type.resolveType) throw new UnsupportedQuery();
    const planOf = subPlansOf(nodes);
    for (const possibleType of schema.getPossibleTypes(type)) planOf(possibleType);
    return (state, field, value, key) => {
      const complete: CompleteValue = (_state, _field, name) =>
        writeObject(state, planOf(concreteType(schema, type, name)), value, key, nullable);
      const name = type.resolveType!(value, state.contextValue, buildResolveInfo(state, field), type);
      completeOrDefer(state, field, complete, nullable, name, key);
    };
  };

  try {
    const root = schema.getRootType(operation.operation)!;
    const plan = compileFields(root, collectFields(schema, fragments, variables, root, operation.selectionSet));
    return { compiled: { operation, fragments, plan, weight: fieldWeight * (1 + count) }, plannedFields: count };
  } catch (error) {
    // graphql-js reports a directive that is given null.
    if (error instanceof UnsupportedQuery || error instanceof GraphQLError) return { compiled: null, plannedFields: count };
    throw error;
  }
}

/** Meta fields of the query type, which `getFields` does not return. Validation rejects them on other types. */
const introspectionFields = new Map([SchemaMetaFieldDef, TypeMetaFieldDef].map((field) => [field.name, field]));

/** Thrown for a query that plans do not support, or that has too many fields. */
class UnsupportedQuery extends Error {}

type Nullable = Exclude<GraphQLOutputType, GraphQLNonNull<never>>;

/** Returns whether the list has access by index: an array, or a page of rows. */
const isReadonlyRows = (list: object | null): list is ReadonlyRows<unknown> =>
  Array.isArray(list) || (list !== null && 'at' in list && 'length' in list);

/** @throws Error, which does not quote the value, if `resolveType` returned no possible type. */
function concreteType(schema: GraphQLSchema, type: GraphQLAbstractType, name: unknown): GraphQLObjectType {
  const found = typeof name === 'string' ? schema.getType(name) : undefined;
  if (isObjectType(found) && schema.isSubType(type, found)) return found;
  throw new Error(`a value is of no type of ${type.name}`);
}
