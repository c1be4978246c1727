import { createSourceEventStream, execute, type ExecutionArgs, type ExecutionResult } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { captureHeads } from '../domain/schools.ts';
import type { Heard } from '../events/follow.ts';
import type { GraphContext } from '../graphql/context.ts';

/**
 * Executes each item of a subscription in a context of its own, with the rights that it was heard by and with rows read
 * now: a context that lived as long as the subscription would serve stale rows to lost rights.
 */
export async function subscribe(args: ExecutionArgs): Promise<AsyncIterableIterator<ExecutionResult> | ExecutionResult> {
  const items = await createSourceEventStream(args);
  if (!(Symbol.asyncIterator in items)) return items;
  const iterator = items[Symbol.asyncIterator]() as AsyncIterator<Heard>;
  const base = args.contextValue as GraphContext;
  const results: AsyncIterableIterator<ExecutionResult> = {
    async next() {
      const { done, value } = await iterator.next();
      if (done) return { done: true, value: undefined };
      const item = value;
      const contextValue = 'actor' in item ? base.renew(item.actor) : base;
      return { done: false, value: await execute({ ...args, rootValue: item, contextValue }) };
    },
    async return() {
      await iterator.return?.();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]: () => results,
  };
  return results;
}

export const useLive = (): Plugin<GraphContext> => ({
  onSubscribe: ({ setSubscribeFn }) => setSubscribeFn(subscribe),
});

/**
 * Where an operation asks `asOf`, takes the logs' cursors before its first field is read, so that nothing in the answer
 * is older than its cursor says.
 */
export const useAsOf = (): Plugin<GraphContext> => ({
  async onExecute({ args }) {
    const { document, contextValue } = args as ExecutionArgs & { contextValue: GraphContext };
    if (document.loc === undefined || /\basOf\b/.test(document.loc.source.body)) await captureHeads(contextValue);
  },
});
