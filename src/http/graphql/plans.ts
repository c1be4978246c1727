import type { ExecutionArgs } from 'graphql';
import { createPlanCache } from '../../executor/compile-query.ts';
import { prepare, type PreparedOperation } from '../../executor/executor.ts';
import { isRowView } from '../../reader/row-view.ts';
import { cacheBudget } from '../cache-budget.ts';
import type { RequestContext } from '../request-context.ts';

/** Plans of anonymous requests have a separate cache, so that they cannot evict plans of signed-in accounts. */
const accountPlans = createPlanCache(cacheBudget);
const anonymousPlans = createPlanCache(cacheBudget / 8);

/**
 * Prepares an operation. Charges its account for newly planned fields: planning a field takes about as long as writing
 * an object.
 */
export function prepareCharged(args: ExecutionArgs): PreparedOperation {
  const { actor, account, config } = args.contextValue as RequestContext;
  const prepared = prepare(args, {
    planCache: actor.kind === 'anonymous' ? anonymousPlans : accountPlans,
    usesGraphqlJs: config.executor === 'graphql-js',
    isByteRow: isRowView,
  });
  if (prepared.plannedFields > 0) account.chargeCost(prepared.plannedFields);
  return prepared;
}
