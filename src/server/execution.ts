import {
  execute as executeUnplanned, getVariableValues, Kind, OperationTypeNode, TypeInfo, visit, visitWithTypeInfo, type DocumentNode, type ExecutionArgs, type ExecutionResult,
  type GraphQLError, type GraphQLSchema, type OperationDefinitionNode,
} from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { Asked } from '../domain/asked.ts';
import type { GraphContext } from '../graphql/context.ts';
import { objectText, type Run } from './fields.ts';
import { compiledOf } from './plan.ts';
import { eachPart, type Place } from './text.ts';

/**
 * Execution of queries by the specification, where what graphql's own `execute` finds out anew for every object (which
 * fields are asked, with which arguments, of which type) is found out once for a document, and nothing waits that need
 * not. Changes and introspection are left to `execute`. The answers are the same, byte for byte:
 * test/server/execution.test.ts.
 */

type Answer = ExecutionResult | Promise<ExecutionResult>;

/** Executes a query, or an item of a subscription, by its plan; anything else by graphql's own `execute`. */
export function execute(args: ExecutionArgs): Answer {
  const { schema, document, contextValue, rootValue } = args;
  const operation = operationOf(document, args.operationName);
  if (operation === undefined || operation.operation === OperationTypeNode.MUTATION || args.fieldResolver || args.typeResolver) return executeUnplanned(args);
  const { coerced, errors } = getVariableValues(schema, operation.variableDefinitions ?? [], args.variableValues ?? {}, { maxErrors: 50 });
  if (errors !== undefined) return { errors };
  const compiled = compiledOf(schema, document, operation, coerced);
  if (compiled === null) return executeUnplanned(args);
  const data: Place = { text: '' };
  const run: Run = {
    compiled, contextValue, rootValue, schema, variables: coerced, arguments: [], errors: [], data, frames: [], depth: 0, base: null, pending: 0, finish: undefined,
  };
  try {
    data.text = objectText(run, compiled.plan, rootValue, undefined, true);
  } catch (error) {
    data.text = 'null';
    run.errors.push(error as GraphQLError);
    return answerOf(run);
  }
  if (run.pending === 0) return answerOf(run);
  return new Promise((resolve) => (run.finish = () => resolve(answerOf(run))));
}

const texts = new WeakMap<ExecutionResult, Place>();

/** The data of an answer as JSON, where it was written as such. */
export const textOf = (result: ExecutionResult): Place | undefined => texts.get(result);

/** Its data is read back from the text by whoever wants it as objects. */
function answerOf({ data, errors }: Run): ExecutionResult {
  let read: ExecutionResult['data'];
  const result = {
    ...(errors.length > 0 && { errors }),
    get data() {
      if (read === undefined) {
        let text = '';
        eachPart(data, (part) => (text += part));
        read = JSON.parse(text) as ExecutionResult['data'];
      }
      return read;
    },
  };
  texts.set(result, data);
  return result;
}

function operationOf(document: DocumentNode, name: string | null | undefined): OperationDefinitionNode | undefined {
  const operations = document.definitions.filter((node): node is OperationDefinitionNode => node.kind === Kind.OPERATION_DEFINITION);
  // Which one is meant where several are, or none, is for graphql to say.
  return name == null ? (operations.length === 1 ? operations[0] : undefined) : operations.find((node) => node.name?.value === name);
}

const asked = new WeakMap<DocumentNode, Asked>();

/** Every field that the document names, by the type that it is asked of; a fragment on an interface asks for `id` alone. */
function askedOf(schema: GraphQLSchema, document: DocumentNode): Asked {
  let known = asked.get(document);
  if (known === undefined) {
    const found = new Map<string, Set<string>>();
    const types = new TypeInfo(schema);
    visit(document, visitWithTypeInfo(types, {
      Field({ name: { value } }) {
        const { name } = types.getParentType()!;
        found.set(name, (found.get(name) ?? new Set()).add(value));
      },
    }));
    asked.set(document, (known = found));
  }
  return known;
}

/** Lets Yoga execute so, and tells the loaders of a query what it asks for. */
export const useExecution = (): Plugin<GraphContext> => ({
  onExecute({ args, setExecuteFn }) {
    const { schema, document, operationName, contextValue } = args as ExecutionArgs & { contextValue: GraphContext };
    if (operationOf(document, operationName)?.operation === OperationTypeNode.QUERY) contextValue.loaders.asked = askedOf(schema, document);
    setExecuteFn(execute);
  },
});
