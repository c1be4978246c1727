import { createHash } from 'node:crypto';
import {
  getOperationAST,
  getVariableValues,
  Kind,
  print,
  TypeInfo,
  visit,
  visitWithTypeInfo,
  type ASTNode,
  type DocumentNode,
  type ExecutionArgs,
  type GraphQLSchema,
  type OperationDefinitionNode,
} from 'graphql';
import type { GraphContext } from '../../graphql/context.ts';

/** Groups subscriptions with the same request. Subscribers of one group who also have the same rights get the same results. */

/** Cached facts about an operation of a document. */
interface DocumentFacts {
  /** Whether the document selects a field whose value depends on the viewer. */
  ofViewer: boolean;
  /** Variables that occur only in the arguments of the subscription's root field. */
  streamVariables: ReadonlySet<string>;
}

export class RequestGroups {
  readonly #facts = new WeakMap<OperationDefinitionNode, DocumentFacts>();

  /**
   * Returns the key of the subscribers with the same request; null if the result depends on the viewer, so that
   * subscribers cannot share it. The key is a hash of everything that an execution reads of a request: the document, the
   * name of the operation, the language and the coerced variables. In place of the variables that occur only in the arguments
   * of the root field, it contains `streamKey`, which is equal for subscriptions to the same events.
   */
  keyOf({ schema, document, operationName, variableValues, contextValue }: ExecutionArgs, streamKey: string): string | null {
    const operation = getOperationAST(document, operationName)!;
    const { ofViewer, streamVariables } = this.#factsOf(schema, document, operation);
    if (ofViewer) return null;
    const { coerced } = getVariableValues(schema, operation.variableDefinitions ?? [], variableValues ?? {});
    const values = Object.entries(coerced!).filter(([variable]) => !streamVariables.has(variable));
    const { language } = contextValue as GraphContext;
    // A variable that was not sent has no entry; a null variable has an entry. Entries are in the order of the definitions.
    const text = JSON.stringify([document.loc?.source.body ?? print(document), operationName ?? null, streamKey, values, language]);
    return createHash('sha256').update(text).digest('base64');
  }

  #factsOf(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode): DocumentFacts {
    let facts = this.#facts.get(operation);
    if (facts === undefined) {
      facts = { ofViewer: selectsOfViewer(schema, document), streamVariables: streamVariablesOf(document, operation) };
      this.#facts.set(operation, facts);
    }
    return facts;
  }
}

function selectsOfViewer(schema: GraphQLSchema, document: DocumentNode): boolean {
  const info = new TypeInfo(schema);
  let ofViewer = false;
  visit(document, visitWithTypeInfo(info, { Field: () => void (ofViewer ||= info.getFieldDef()?.extensions.ofViewer === true) }));
  return ofViewer;
}

/** Returns the variables that occur only in the arguments of the operation's root fields. */
function streamVariablesOf(document: DocumentNode, operation: OperationDefinitionNode): ReadonlySet<string> {
  const rootArguments = new Set<ASTNode>();
  for (const field of operation.selectionSet.selections)
    if (field.kind === Kind.FIELD) for (const argument of field.arguments ?? []) rootArguments.add(argument);
  const elsewhere = new Set<string>();
  visit(document, {
    VariableDefinition: () => false,
    Argument: (node) => (rootArguments.has(node) ? false : undefined),
    Variable: ({ name }) => void elsewhere.add(name.value),
  });
  const declared = operation.variableDefinitions?.map(({ variable }) => variable.name.value) ?? [];
  return new Set(declared.filter((variable) => !elsewhere.has(variable)));
}
