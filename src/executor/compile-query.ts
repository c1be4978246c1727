import { visit, type DocumentNode, type GraphQLSchema, type OperationDefinitionNode } from 'graphql';
import { LRUCache } from 'lru-cache';
import { compile, fieldWeight, type Compilation } from './compiler.ts';
import type { CompiledQuery } from './execution-state.ts';

/** Caches the plans by which the executor executes queries (src/executor/compiler.ts). */

/** The plans of each document, by operation and by the values of the variables in its directives. Null after `dropPlans`. */
const plansByDocument = new WeakMap<DocumentNode, Map<string, CachedPlan> | null>();

interface CachedPlan {
  document: DocumentNode;
  key: string;
  cache: PlanCache;
  /** Null if graphql-js executes the query. */
  compiled: CompiledQuery | null;
}

/**
 * Limits the bytes of heap that all plans take together. A document may have many plans: one for each combination of
 * values of its @include and @skip variables.
 */
export type PlanCache = LRUCache<CachedPlan, CachedPlan>;

/** Creates a cache of plans. @param maxSize in bytes of heap. */
export const createPlanCache = (maxSize: number): PlanCache =>
  new LRUCache({ maxSize, dispose: ({ document, key }) => plansByDocument.get(document)?.delete(key) });

const defaultPlanCache = createPlanCache(16 * 1024 * 1024);

/** Returns the cached plan of an operation, or compiles the operation. @param cache stores a new plan. */
export function compileQuery(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Record<string, unknown>,
  cache = defaultPlanCache,
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
    cache.set(plan, plan, { size: compiled?.weight ?? fieldWeight });
    if (cache.has(plan)) documentPlans.set(key, plan);
  }
  return compilation;
}

/** Drops the plans of a document that left the document cache, because plans keep the nodes of the document in memory. */
export function dropPlans(document: DocumentNode): void {
  for (const plan of plansByDocument.get(document)?.values() ?? []) plan.cache.delete(plan);
  plansByDocument.set(document, null);
}

const conditionVariablesByDocument = new WeakMap<DocumentNode, string[]>();

/**
 * Returns the names of the variables in the document's directives. The values of these variables decide which fields
 * a plan has.
 */
function conditionVariables(document: DocumentNode): string[] {
  let names = conditionVariablesByDocument.get(document);
  if (names === undefined) {
    const found = new Set<string>();
    visit(document, { Directive: (directive) => visit(directive, { Variable: ({ name }) => void found.add(name.value) }) });
    conditionVariablesByDocument.set(document, (names = [...found]));
  }
  return names;
}
