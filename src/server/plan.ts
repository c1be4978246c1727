import {
  GraphQLError, isAbstractType, isLeafType, isListType, isNonNullType, isObjectType, Kind, visit, type DocumentNode, type FieldNode,
  type FragmentDefinitionNode, type GraphQLAbstractType, type GraphQLField, type GraphQLObjectType, type GraphQLOutputType, type GraphQLSchema,
  type OperationDefinitionNode,
} from 'graphql';
import { collectFields, collectSubfields } from 'graphql/execution/collectFields.js';
import { inspect } from 'graphql/jsutils/inspect.js';
import { writeList, writeObject } from './fields.ts';
import { later } from './later.ts';
import { infoOf, isPromise, type Compiled, type Complete, type Field, type Plan } from './run.ts';

/** Planning a query: which fields are asked of which type, and how each is completed; once for a document. */

const compiledDocuments = new WeakMap<DocumentNode, Map<string, Compiled | null>>();
/** Plans of one document: of its operations, with what its directives leave out. */
const mostPlans = 16;

/** The plan of a query, where it is known already or can be made; null where the query is left to graphql. */
export function compiledOf(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode, variables: Record<string, unknown>): Compiled | null {
  let plans = compiledDocuments.get(document);
  if (plans === undefined) compiledDocuments.set(document, (plans = new Map()));
  const key = [document.definitions.indexOf(operation), ...switchesOf(document).map((name) => variables[name])].join(' ');
  let compiled = plans.get(key);
  if (compiled === undefined) {
    compiled = compile(schema, document, operation, variables);
    if (plans.size < mostPlans) plans.set(key, compiled);
  }
  return compiled;
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
    return [...groups].flatMap(([name, nodes]): Field[] => {
      const asked = nodes[0]!.name.value;
      if (asked === '__schema' || asked === '__type' || name === '__proto__') throw new Unplanned();
      const meta = asked === '__typename';
      const definition = meta ? { name: asked, args: [] } : type.getFields()[asked];
      // graphql leaves out what does not exist.
      if (definition === undefined) return [];
      const of = { name, nodes, parentType: type, definition: definition as GraphQLField<unknown, unknown>, at: count++, lead: bytesOf(`${JSON.stringify(name)}:`) };
      if (meta) return [{ ...of, constant: bytesOf(JSON.stringify(type.name)), nullable: false, complete: () => undefined }];
      const { type: returned } = of.definition;
      return [{ ...of, constant: undefined, nullable: !isNonNullType(returned), complete: completer(returned, nodes) }];
    });
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
    const inner = isNonNullType(type) ? type.ofType : type;
    const complete = completerOf(inner, nullable, nodes);
    return (run, field, value, key) => {
      if (value instanceof Error) throw value;
      if (value !== null && value !== undefined) return complete(run, field, value, key);
      if (nullable) return run.tape.json('null');
      throw new Error(`Cannot return null for non-nullable field ${field.parentType.name}.${field.definition.name}.`);
    };
  };

  const completerOf = (type: GraphQLOutputType, nullable: boolean, nodes: readonly FieldNode[]): Complete => {
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
        writeList(run, field, complete, itemNullable, value as Iterable<unknown>, key, nullable);
      };
    }
    const plans = subPlans(nodes);
    if (isObjectType(type)) {
      const plan = plans(type);
      return (run, _field, value, key) => writeObject(run, plan, value, key, nullable);
    }
    if (!isAbstractType(type) || !type.resolveType) throw new Unplanned();
    for (const possible of schema.getPossibleTypes(type)) plans(possible);
    return (run, field, value, key) => {
      const complete: Complete = (_run, _field, name) => writeObject(run, plans(concrete(schema, type, name)), value, key, nullable);
      const name = type.resolveType!(value, run.contextValue, infoOf(run, field), type);
      return isPromise(name) ? later(run, field, complete, nullable, name, key) : complete(run, field, name, key);
    };
  };

  try {
    const root = schema.getRootType(operation.operation)!;
    return { operation, fragments, plan: planOf(root, collectFields(schema, fragments, variables, root, operation.selectionSet)) };
  } catch (error) {
    if (error instanceof Unplanned) return null;
    throw error;
  }
}

const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

/** The operation holds what a plan is not made for. */
class Unplanned extends Error {}

/** An unknown type is this program's own mistake, and is told without the value. */
function concrete(schema: GraphQLSchema, type: GraphQLAbstractType, name: unknown): GraphQLObjectType {
  const found = typeof name === 'string' ? schema.getType(name) : undefined;
  if (isObjectType(found) && schema.isSubType(type, found)) return found;
  throw new Error(`a value is of no type of ${type.name}`);
}
