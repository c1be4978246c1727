import { OperationTypeNode, TypeInfo, visit, visitWithTypeInfo, type DocumentNode, type ExecutionArgs, type GraphQLSchema } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { SelectedFields } from '../../domain/selected-columns.ts';
import { operationOf } from '../../executor/executor.ts';
import type { GraphContext } from '../../graphql/context.ts';

/** Passes the fields that a query selects to the loaders, which then read only the columns that those fields need. */

const selectedFieldsCache = new WeakMap<DocumentNode, SelectedFields>();

/** Every field that the document names, by the type that it is asked of; a fragment on an interface asks for `id` alone. */
export function selectedFields(schema: GraphQLSchema, document: DocumentNode): SelectedFields {
  let known = selectedFieldsCache.get(document);
  if (known === undefined) {
    const found = new Map<string, Set<string>>();
    const types = new TypeInfo(schema);
    visit(document, visitWithTypeInfo(types, {
      Field({ name: { value } }) {
        const { name } = types.getParentType()!;
        found.set(name, (found.get(name) ?? new Set()).add(value));
      },
    }));
    selectedFieldsCache.set(document, (known = found));
  }
  return known;
}

/** Tells the loaders of a query what it asks for. */
export function passSelection({ schema, document, operationName, contextValue }: ExecutionArgs & { contextValue: GraphContext }): void {
  if (operationOf(document, operationName)?.operation === OperationTypeNode.QUERY) contextValue.loaders.selection = selectedFields(schema, document);
}

/** Tells the loaders which fields an operation in Yoga's pipeline asks for. */
export const useSelection = (): Plugin<GraphContext> => ({
  onExecute: ({ args }) => passSelection(args),
});
