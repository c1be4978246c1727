import { OperationTypeNode, TypeInfo, visit, visitWithTypeInfo, type DocumentNode, type ExecutionArgs, type GraphQLSchema } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { SelectedFields } from '../../domain/selected-columns.ts';
import { operationOf } from '../../executor/executor.ts';
import type { GraphContext } from '../../graphql/context.ts';

/** Passes the selected fields of a query to the loaders, which then read only the columns of those fields. */

const selectedFieldsCache = new WeakMap<DocumentNode, SelectedFields>();

/** Returns the fields that the document selects, by parent type. A fragment on an interface selects only `id`. */
export function selectedFields(schema: GraphQLSchema, document: DocumentNode): SelectedFields {
  let known = selectedFieldsCache.get(document);
  if (known === undefined) {
    const found = new Map<string, Set<string>>();
    const types = new TypeInfo(schema);
    visit(
      document,
      visitWithTypeInfo(types, {
        Field({ name: { value } }) {
          const { name } = types.getParentType()!;
          found.set(name, (found.get(name) ?? new Set()).add(value));
        },
      }),
    );
    selectedFieldsCache.set(document, (known = found));
  }
  return known;
}

/** Passes the selected fields of a query to its loaders; does nothing for other operations. */
export function passSelection({ schema, document, operationName, contextValue }: ExecutionArgs & { contextValue: GraphContext }): void {
  if (operationOf(document, operationName)?.operation === OperationTypeNode.QUERY)
    contextValue.loaders.selection = selectedFields(schema, document);
}

export const useSelection = (): Plugin<GraphContext> => ({ onExecute: ({ args }) => passSelection(args) });
