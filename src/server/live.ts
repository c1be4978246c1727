import { createSourceEventStream, type DocumentNode, type ExecutionArgs, type ExecutionResult } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { captureHeads } from '../domain/schools.ts';
import type { Language } from '../errors.ts';
import { heardEvent, type Heard, type Stream } from '../events/follow.ts';
import type { Answer } from '../events/seating.ts';
import type { GraphContext } from '../graphql/context.ts';
import { isRun, prepare, resultOf, takeAnswer, type Executed, type Prepared } from './execution.ts';
import type { Delivered, Say } from './masking.ts';
import { answerTogether, askedIn } from './sharing.ts';

/** What was told since the start: messages, and how often an item was executed and written as JSON for them. */
export interface Deliveries {
  executions: number;
  serialisations: number;
}

/**
 * Executes each item of a subscription in a context of its own, with the rights that it was heard by and with rows read
 * now: a context that lived as long as the subscription would serve stale rows to lost rights. Listeners who asked for
 * the same and whose rights amount to the same are given one answer, executed and written once.
 */
export function createSubscribe(say: Say, deliveries: Deliveries) {
  return async (args: ExecutionArgs): Promise<AsyncIterableIterator<ExecutionResult> | ExecutionResult> => {
    const items = await createSourceEventStream(args);
    if (!(Symbol.asyncIterator in items)) return items;
    const stream = items as Stream;
    const base = args.contextValue as GraphContext;
    let execute: Prepared | undefined;
    const run = async (item: Heard, contextValue: GraphContext): Promise<Executed> => {
      deliveries.executions += 1;
      return (execute ??= prepare(args))(item, contextValue);
    };
    const { group, ofViewer } = askedIn(args, stream.following.name);
    if (!ofViewer)
      stream.share({
        group,
        answer: (telling, cohorts, hand) =>
          answerTogether(
            {
              base,
              telling,
              run: (contextValue, actor) => run(heardEvent(telling.event, actor), contextValue),
              hand(executed, to) {
                const answer = new Once(executed, base.language, say, deliveries);
                for (const { members } of to) hand(answer, members);
              },
            },
            cohorts,
          ),
        ...(base.deliver && { send: base.deliver }),
      });
    const results: AsyncIterableIterator<ExecutionResult> = {
      async next() {
        const { done, value } = await stream.next();
        if (done) return { done: true, value: undefined };
        if (value.kind === 'answer') return { done: false, value: value.answer.result };
        return { done: false, value: resultOf(await run(value, 'actor' in value ? base.renew(value.actor) : base)) };
      },
      async return() {
        await stream.return?.();
        return { done: true, value: undefined };
      },
      [Symbol.asyncIterator]: () => results,
    };
    return results;
  };
}

export function useLive(say: Say, deliveries: Deliveries): Plugin<GraphContext> {
  const subscribe = createSubscribe(say, deliveries);
  return { onSubscribe: ({ setSubscribeFn }) => setSubscribeFn(subscribe) };
}

/** An answer, as whoever is told first needs it; made once for all. */
class Once implements Answer {
  readonly #executed: Executed;
  readonly #language: Language;
  readonly #say: Say;
  readonly #deliveries: Deliveries;
  #result: ExecutionResult | undefined;
  #bytes: Buffer | undefined;

  constructor(executed: Executed, language: Language, say: Say, deliveries: Deliveries) {
    this.#executed = executed;
    this.#language = language;
    this.#say = say;
    this.#deliveries = deliveries;
  }

  get result(): ExecutionResult {
    return (this.#result ??= this.#bytes === undefined ? resultOf(this.#executed) : (JSON.parse(this.#bytes.toString()) as ExecutionResult));
  }

  get bytes(): Buffer {
    return (this.#bytes ??= this.#written());
  }

  #written(): Buffer {
    this.#deliveries.serialisations += 1;
    const executed = this.#executed;
    // What somebody was given as objects is on the tape no more.
    if (this.#result !== undefined || !isRun(executed) || executed.errors.length > 0)
      return Buffer.from(JSON.stringify(this.#say(this.result, this.#language) satisfies Delivered));
    const taken = takeAnswer(executed);
    const bytes = Buffer.from(taken.bytes);
    taken.giveBack();
    return bytes;
  }
}

/**
 * Where an operation asks `asOf`, takes the logs' cursors before its first field is read, so that nothing in the answer
 * is older than its cursor says; undefined where there is nothing to wait for.
 */
export const takeAsOf = ({ document, contextValue }: ExecutionArgs & { contextValue: GraphContext }): Promise<unknown> | undefined =>
  asksAsOf(document) ? captureHeads(contextValue) : undefined;

const asking = new WeakMap<DocumentNode, boolean>();

/** May an operation of the document ask `asOf`? */
export function asksAsOf(document: DocumentNode): boolean {
  let asks = asking.get(document);
  if (asks === undefined) asking.set(document, (asks = document.loc === undefined || /\basOf\b/.test(document.loc.source.body)));
  return asks;
}

export const useAsOf = (): Plugin<GraphContext> => ({
  async onExecute({ args }) {
    await takeAsOf(args);
  },
});
