import {
  GraphQLError,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  SchemaMetaFieldDef,
  TypeMetaFieldDef,
  TypeNameMetaFieldDef,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLAbstractType,
  type GraphQLField,
  type GraphQLLeafType,
  type GraphQLList,
  type GraphQLNonNull,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLSchema,
  type OperationDefinitionNode,
} from 'graphql';
import { completeOrDefer } from './deferred.ts';
import { writeList, writeObject, type ReadonlyList } from './execute-fields.ts';
import {
  buildResolveInfo,
  type CompiledField,
  type CompiledQuery,
  type CompleteValue,
  type ExecutionState,
  type Plan,
} from './execution-state.ts';
import { collectFields, collectSubfields, inspect } from './graphql-internals.ts';
import { StaticBytes } from './json-writer.ts';
import { rawColumnWriter } from './raw-columns.ts';

/**
 * Bytes of heap per compiled field. Measured on Node 20 as the growth of `heapUsed` after a full collection, over
 * 60 documents of 390 to 2,000 compiled fields: 1,410 to 1,470 each.
 */
export const fieldWeight = 1500;

/** Maximum number of compiled fields. Nested fragments and interfaces expand to many more fields than the document has. */
const maxFields = 5000;

export interface Compilation {
  /** Null if graphql-js executes the query. */
  compiled: CompiledQuery | null;
  /** Number of fields that this call compiled; 0 for a cached plan. */
  plannedFields: number;
}

/** Compiles an operation into a plan: the fields selected on each type, and how to complete them. */
export function compile(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Record<string, unknown>,
): Compilation {
  const fragments = Object.create(null) as Record<string, FragmentDefinitionNode>;
  for (const node of document.definitions) if (node.kind === Kind.FRAGMENT_DEFINITION) fragments[node.name.value] = node;
  const compiler = new Compiler(schema, fragments, variables);
  try {
    const plan = compiler.compileOperation(operation);
    const plannedFields = compiler.count;
    return { compiled: { operation, fragments, plan, weight: fieldWeight * (1 + plannedFields) }, plannedFields };
  } catch (error) {
    // graphql-js then executes the query, and reports an error in a directive, such as @include(if: null).
    if (error instanceof UnsupportedQuery || error instanceof GraphQLError) return { compiled: null, plannedFields: compiler.count };
    throw error;
  }
}

/** Thrown for a query that plans do not support, or that has too many fields. */
class UnsupportedQuery extends Error {}

type Nullable = Exclude<GraphQLOutputType, GraphQLNonNull<never>>;

/** The fields that are selected on one type, by their name in the response. */
type FieldGroups = ReadonlyMap<string, readonly FieldNode[]>;

class Compiler {
  /** Number of fields compiled so far. */
  count = 0;
  readonly #schema: GraphQLSchema;
  readonly #fragments: Record<string, FragmentDefinitionNode>;
  readonly #variables: Record<string, unknown>;

  constructor(schema: GraphQLSchema, fragments: Record<string, FragmentDefinitionNode>, variables: Record<string, unknown>) {
    this.#schema = schema;
    this.#fragments = fragments;
    this.#variables = variables;
  }

  compileOperation({ operation, selectionSet }: OperationDefinitionNode): Plan {
    const root = this.#schema.getRootType(operation)!;
    return this.#compileFields(root, collectFields(this.#schema, this.#fragments, this.#variables, root, selectionSet));
  }

  #compileFields(type: GraphQLObjectType, groups: FieldGroups): Plan {
    if (type.isTypeOf) throw new UnsupportedQuery();
    const plan: CompiledField[] = [];
    for (const [name, nodes] of groups) {
      const definition = definitionOf(type, nodes[0]!.name.value);
      // graphql-js skips unknown fields too.
      if (definition === undefined) continue;
      if (this.count === maxFields) throw new UnsupportedQuery();
      const { resolve } = definition;
      const isTypename = definition === TypeNameMetaFieldDef;
      plan.push({
        name,
        nodes,
        parentType: type,
        definition,
        resolve,
        keyBytes: new StaticBytes(`${plan.length === 0 ? '{' : ','}${JSON.stringify(name)}:`),
        hasNoArguments: definition.args.length === 0,
        needsInfo: resolve !== undefined && resolve.length > 3,
        argumentsIndex: this.count++,
        constant: isTypename ? new StaticBytes(JSON.stringify(type.name)) : undefined,
        rawColumns: isTypename ? undefined : rawColumnWriter(definition),
        nullable: !isTypename && !isNonNullType(definition.type),
        complete: isTypename ? () => undefined : this.#completer(definition.type, nodes),
      });
    }
    return plan;
  }

  /**
   * Which fields the selection sets of these nodes select depends on the object type. Returns a function that returns the plan
   * for a type, and compiles each plan on its first use.
   */
  #subPlans(nodes: readonly FieldNode[]): (type: GraphQLObjectType) => Plan {
    const plans = new Map<GraphQLObjectType, Plan>();
    return (type) => {
      let plan = plans.get(type);
      if (plan === undefined) {
        plan = this.#compileFields(type, collectSubfields(this.#schema, this.#fragments, this.#variables, type, nodes));
        plans.set(type, plan);
      }
      return plan;
    };
  }

  #completer(type: GraphQLOutputType, nodes: readonly FieldNode[]): CompleteValue {
    const nullable = !isNonNullType(type);
    const inner = (isNonNullType(type) ? type.ofType : type) as Nullable;
    const completeNull = (state: ExecutionState, field: CompiledField): void => {
      if (nullable) return state.writer.json('null');
      throw new Error(`Cannot return null for non-nullable field ${field.parentType.name}.${field.definition.name}.`);
    };
    if (isObjectType(inner)) {
      const plan = this.#subPlans(nodes)(inner);
      return (state, field, value, key) => {
        if (value instanceof Error) throw value;
        if (value === null || value === undefined) completeNull(state, field);
        else writeObject(state, plan, value, key, nullable);
      };
    }
    const complete = this.#nonNullCompleter(inner, nullable, nodes);
    return (state, field, value, key) => {
      if (value instanceof Error) throw value;
      if (value === null || value === undefined) completeNull(state, field);
      else complete(state, field, value, key);
    };
  }

  #nonNullCompleter(type: Exclude<Nullable, GraphQLObjectType>, nullable: boolean, nodes: readonly FieldNode[]): CompleteValue {
    if (isLeafType(type)) return leafCompleter(type);
    if (isListType(type)) return this.#listCompleter(type, nullable, nodes);
    return this.#abstractCompleter(type, nullable, nodes);
  }

  #listCompleter({ ofType }: GraphQLList<GraphQLOutputType>, nullable: boolean, nodes: readonly FieldNode[]): CompleteValue {
    const itemNullable = !isNonNullType(ofType);
    const complete = this.#completer(ofType, nodes);
    return (state, field, value, key) => {
      if (typeof value !== 'object' || typeof (value as Iterable<unknown>)[Symbol.iterator] !== 'function')
        throw new GraphQLError(`Expected Iterable, but did not find one for field "${field.parentType.name}.${field.definition.name}".`);
      writeList(state, field, complete, itemNullable, isReadonlyList(value) ? value : [...(value as Iterable<unknown>)], key, nullable);
    };
  }

  #abstractCompleter(type: GraphQLAbstractType, nullable: boolean, nodes: readonly FieldNode[]): CompleteValue {
    const { resolveType } = type;
    if (!resolveType) throw new UnsupportedQuery();
    const schema = this.#schema;
    const planOf = this.#subPlans(nodes);
    for (const possibleType of schema.getPossibleTypes(type)) planOf(possibleType);
    return (state, field, value, key) => {
      const complete: CompleteValue = (_state, _field, name) =>
        writeObject(state, planOf(concreteType(schema, type, name)), value, key, nullable);
      completeOrDefer(state, field, complete, nullable, resolveType(value, state.contextValue, buildResolveInfo(state, field), type), key);
    };
  }
}

/**
 * Fields that `getFields` does not return. One map serves all types, because validation allows `__schema` and
 * `__type` on the query type only.
 */
const metaFields = new Map([SchemaMetaFieldDef, TypeMetaFieldDef, TypeNameMetaFieldDef].map((field) => [field.name, field]));

const definitionOf = (type: GraphQLObjectType, name: string): GraphQLField<unknown, unknown> | undefined =>
  metaFields.get(name) ?? type.getFields()[name];

const leafCompleter =
  (type: GraphQLLeafType): CompleteValue =>
  ({ writer }, _field, value) => {
    const serialized = type.serialize(value);
    if (typeof serialized === 'string') return writer.string(serialized);
    if (serialized !== null && serialized !== undefined) return writer.json(JSON.stringify(serialized));
    throw new Error(
      `Expected \`${inspect(type)}.serialize(${inspect(value)})\` to return non-nullable value, returned: ${inspect(serialized)}`,
    );
  };

/** Returns whether the list has access by index: an array, or a page of rows. */
const isReadonlyList = (list: object | null): list is ReadonlyList =>
  Array.isArray(list) || (list !== null && 'at' in list && 'length' in list);

/**
 * Returns the object type with this name.
 * @throws Error if `resolveType` returned no possible type. The error does not quote the value.
 */
function concreteType(schema: GraphQLSchema, type: GraphQLAbstractType, name: unknown): GraphQLObjectType {
  const found = typeof name === 'string' ? schema.getType(name) : undefined;
  if (isObjectType(found) && schema.isSubType(type, found)) return found;
  throw new Error(`a value is of no type of ${type.name}`);
}
