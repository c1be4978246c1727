import {
  GraphQLError, isLeafType, isListType, isNonNullType, isObjectType, Kind, visit, type DocumentNode, type FieldNode,
  type FragmentDefinitionNode, type GraphQLAbstractType, type GraphQLField, type GraphQLNonNull, type GraphQLObjectType, type GraphQLOutputType, type GraphQLSchema,
  type OperationDefinitionNode,
} from 'graphql';
import { collectFields, collectSubfields } from 'graphql/execution/collectFields.js';
import { inspect } from 'graphql/jsutils/inspect.js';
import { Edges } from '../db/page.ts';
import { cacheBudget, LruCache } from '../lru.ts';
import { writeList, writeObject } from './fields.ts';
import { write } from './later.ts';
import { infoOf, type Compiled, type Complete, type Field, type Plan, type Run } from './run.ts';
import { Ready } from './tape.ts';
import { writerOf } from './texts.ts';

/** Planning a query: which fields are asked of which type, and how each is completed; once for a document. */

/** Plans by document, then by operation and by the values of its directives' variables; null after `dropPlans`. */
const plans = new WeakMap<DocumentNode, Map<string, CachedPlan> | null>();

interface CachedPlan {
  document: DocumentNode;
  key: string;
  /** Null where the query is left to graphql. */
  compiled: Compiled | null;
}

/**
 * Bytes of heap that a planned field takes. Measured on Node 20 as the growth of `heapUsed` after a full collection, over
 * 60 documents of 390 to 2,000 planned fields: 1,410 to 1,470 each.
 */
const fieldWeight = 1500;

/** Largest number of fields in a plan: nested fragments and fields of interfaces expand to many more than are written. */
const maxFields = 5000;

/** One budget for the plans of all documents: variables of @include multiply the plans of a single one. */
const planCache = new LruCache<CachedPlan, CachedPlan>({
  maxWeight: cacheBudget,
  onEvict: ({ document, key }) => plans.get(document)?.delete(key),
});

/** Returns the plan of a query, or null where the query is left to graphql. */
export function compiledOf(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode, variables: Record<string, unknown>): Compiled | null {
  let ofDocument = plans.get(document);
  if (ofDocument === undefined) plans.set(document, (ofDocument = new Map()));
  const key = [document.definitions.indexOf(operation), ...switchesOf(document).map((name) => String(variables[name]))].join(' ');
  const found = ofDocument?.get(key);
  if (found !== undefined) {
    planCache.get(found);
    return found.compiled;
  }
  const compiled = compile(schema, document, operation, variables);
  if (ofDocument !== null) {
    const plan: CachedPlan = { document, key, compiled };
    if (planCache.set(plan, plan, compiled?.weight ?? fieldWeight)) ofDocument.set(key, plan);
  }
  return compiled;
}

/** Drops the plans of a document that left the cache: they would keep its nodes in memory. */
export function dropPlans(document: DocumentNode): void {
  for (const plan of plans.get(document)?.values() ?? []) planCache.delete(plan);
  plans.set(document, null);
}

const switches = new WeakMap<DocumentNode, string[]>();

/** The variables that decide what is left out: those of @skip and @include. */
function switchesOf(document: DocumentNode): string[] {
  let names = switches.get(document);
  if (names === undefined) {
    const found = new Set<string>();
    visit(document, { Directive: (directive) => visit(directive, { Variable: ({ name }) => void found.add(name.value) }) });
    switches.set(document, (names = [...found]));
  }
  return names;
}

function compile(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode, variables: Record<string, unknown>): Compiled | null {
  const fragments = Object.create(null) as Record<string, FragmentDefinitionNode>;
  for (const node of document.definitions) if (node.kind === Kind.FRAGMENT_DEFINITION) fragments[node.name.value] = node;
  let count = 0;

  const planOf = (type: GraphQLObjectType, groups: ReadonlyMap<string, readonly FieldNode[]>): Plan => {
    if (type.isTypeOf) throw new Unplanned();
    const plan: Field[] = [];
    for (const [name, nodes] of groups) {
      const asked = nodes[0]!.name.value;
      if (asked === '__schema' || asked === '__type' || name === '__proto__') throw new Unplanned();
      const meta = asked === '__typename';
      const definition = (meta ? { name: asked, args: [] } : type.getFields()[asked]) as GraphQLField<unknown, unknown> | undefined;
      // graphql leaves out what does not exist.
      if (definition === undefined) continue;
      if (count === maxFields) throw new Unplanned();
      const lead = new Ready(`${plan.length === 0 ? '{' : ','}${JSON.stringify(name)}:`);
      const of = { name, nodes, parentType: type, definition, resolve: definition.resolve, argless: definition.args.length === 0, at: count++, lead };
      if (meta) plan.push({ ...of, constant: new Ready(JSON.stringify(type.name)), text: undefined, nullable: false, complete: () => undefined });
      else plan.push({ ...of, constant: undefined, text: writerOf(definition), nullable: !isNonNullType(definition.type), complete: completer(definition.type, nodes) });
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

  const completer = (type: GraphQLOutputType, nodes: readonly FieldNode[]): Complete => {
    const nullable = !isNonNullType(type);
    const inner = (isNonNullType(type) ? type.ofType : type) as Nullable;
    const isNull = (run: Run, field: Field): void => {
      if (nullable) return run.tape.json('null');
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

  const completerOf = (type: Exclude<Nullable, GraphQLObjectType>, nullable: boolean, nodes: readonly FieldNode[]): Complete => {
    if (isLeafType(type))
      return ({ tape }, _field, value) => {
        const serialized = type.serialize(value);
        if (typeof serialized === 'string') return tape.string(serialized);
        if (serialized !== null && serialized !== undefined) return tape.json(JSON.stringify(serialized));
        throw new Error(`Expected \`${inspect(type)}.serialize(${inspect(value)})\` to return non-nullable value, returned: ${inspect(serialized)}`);
      };
    if (isListType(type)) {
      const itemNullable = !isNonNullType(type.ofType);
      const complete = completer(type.ofType, nodes);
      return (run, field, value, key) => {
        if (typeof value !== 'object' || typeof (value as Iterable<unknown>)[Symbol.iterator] !== 'function')
          throw new GraphQLError(`Expected Iterable, but did not find one for field "${field.parentType.name}.${field.definition.name}".`);
        writeList(run, field, complete, itemNullable, Array.isArray(value) || value instanceof Edges ? value : [...(value as Iterable<unknown>)], key, nullable);
      };
    }
    if (!type.resolveType) throw new Unplanned();
    const plans = subPlans(nodes);
    for (const possible of schema.getPossibleTypes(type)) plans(possible);
    return (run, field, value, key) => {
      const complete: Complete = (_run, _field, name) => writeObject(run, plans(concrete(schema, type, name)), value, key, nullable);
      const name = type.resolveType!(value, run.contextValue, infoOf(run, field), type);
      write(run, field, complete, nullable, name, key);
    };
  };

  try {
    const root = schema.getRootType(operation.operation)!;
    const plan = planOf(root, collectFields(schema, fragments, variables, root, operation.selectionSet));
    return { operation, fragments, plan, weight: fieldWeight * (1 + count) };
  } catch (error) {
    // graphql-js reports a directive that is given null.
    if (error instanceof Unplanned || error instanceof GraphQLError) return null;
    throw error;
  }
}

/** The operation has something that plans do not support, or too many fields. */
class Unplanned extends Error {}

type Nullable = Exclude<GraphQLOutputType, GraphQLNonNull<never>>;

/** An unknown type is this program's own mistake, and is told without the value. */
function concrete(schema: GraphQLSchema, type: GraphQLAbstractType, name: unknown): GraphQLObjectType {
  const found = typeof name === 'string' ? schema.getType(name) : undefined;
  if (isObjectType(found) && schema.isSubType(type, found)) return found;
  throw new Error(`a value is of no type of ${type.name}`);
}
