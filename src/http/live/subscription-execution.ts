import { createSourceEventStream, type DocumentNode, type ExecutionArgs, type ExecutionResult, type GraphQLError } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { captureHeads } from '../../domain/schools.ts';
import { rateLimited, Refusal, unavailable, type Language } from '../../errors.ts';
import { Backoff } from '../../events/live/backoff.ts';
import { eventItem, type SubscriptionItem, type Stream } from '../../events/live/subscription.ts';
import type { SharedResult } from '../../events/live/subscriber-index.ts';
import type { GraphContext } from '../../graphql/context.ts';
import type { Documents } from '../graphql/documents.ts';
import { costOf } from '../graphql/limits.ts';
import { prepareCharged } from '../graphql/plans.ts';
import { isExecutionState, resultOf, takeBytes, type Executed } from '../../executor/executor.ts';
import { failureOf } from './failures.ts';
import { refusalError, type SerializableResult, type SerializeResult } from '../errors.ts';
import type { RequestContext } from '../request-context.ts';
import { executeForGroup, groupOf } from './shared-execution.ts';

/** Counts the executions of stream items and the serialisations of shared results since the start of the process. */
export interface Deliveries {
  executions: number;
  serialisations: number;
}

/**
 * Returns a subscribe function that executes each item of a subscription in a new context, with the rights that were
 * checked for the item and with rows read now: one context for the whole subscription would serve cached rows after
 * rights are lost. Subscribers with the same request and equivalent rights share one result, which is executed and
 * serialised once.
 */
export function createSubscribe(serialize: SerializeResult, deliveries: Deliveries, documents: Documents) {
  return async (args: ExecutionArgs): Promise<AsyncIterableIterator<ExecutionResult> | ExecutionResult> => {
    const base = args.contextValue as RequestContext;
    const prepared = prepareCharged(args);
    let release: () => void;
    try {
      release = documents.hold(args.document, prepared.compiled, base);
    } catch (error) {
      return { errors: [error as GraphQLError] };
    }
    const items = await createSourceEventStream(args).catch((error: unknown) => {
      release();
      throw error;
    });
    if (!(Symbol.asyncIterator in items)) {
      release();
      return items;
    }
    const stream = items as Stream;
    const run: RunItem = async (item, contextValue) => {
      deliveries.executions += 1;
      return prepared.execute(item, contextValue);
    };
    const { groupKey, ofViewer } = groupOf(args, stream.request.streamKey);
    if (!ofViewer)
      stream.shareExecution({
        groupKey,
        executeFor: (delivery, cohorts, deliver) =>
          executeForGroup(
            {
              base,
              delivery,
              run: (contextValue, actor) => run(eventItem(delivery.event, actor), contextValue),
              deliver: async (executed, to) => {
                const result = new LazyResult(executed, base.language, serialize, deliveries);
                for (const { members } of to) await deliver(result, members);
              },
              async giveUp(error, to) {
                base.log.warn({ err: error }, 'a shared answer failed; each subscriber executes the event alone');
                for (const { members } of to) await deliver(null, members);
              },
            },
            cohorts,
          ),
        ...(base.deliver && { send: base.deliver }),
      });
    return new ResultIterator(stream, base, run, release, costOf(args.document, args.variableValues ?? {}, args.operationName));
  };
}

type RunItem = (item: SubscriptionItem, contextValue: GraphContext) => Promise<Executed>;

/**
 * The results of one subscription. Skips no item: retries a failed execution, and if that does not help, ends the
 * stream with an error before the item, so that the client resumes from its last cursor.
 */
class ResultIterator implements AsyncIterableIterator<ExecutionResult> {
  readonly #stream: Stream;
  readonly #base: RequestContext;
  readonly #run: RunItem;
  readonly #release: () => void;
  readonly #estimate: number;
  readonly #stop = new AbortController();

  /** @param release called when the subscription ends. @param estimate cost of an item whose bytes are not counted. */
  constructor(stream: Stream, base: RequestContext, run: RunItem, release: () => void, estimate: number) {
    this.#stream = stream;
    this.#base = base;
    this.#run = run;
    this.#release = release;
    this.#estimate = estimate;
  }

  async next(): Promise<IteratorResult<ExecutionResult, undefined>> {
    if (this.#stop.signal.aborted) return { done: true, value: undefined };
    try {
      const value = await this.#deliver();
      if (value !== null) return { done: false, value };
      this.#release();
      return { done: true, value: undefined };
    } catch (error) {
      return this.#fail(error);
    }
  }

  async return(): Promise<IteratorResult<ExecutionResult, undefined>> {
    this.#release();
    this.#stop.abort();
    await this.#stream.return?.();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /**
   * Returns the next result, or null at the end.
   * @throws the error of an item that failed repeatedly, or RATE_LIMITED.
   */
  async #deliver(): Promise<ExecutionResult | null> {
    let backoff: Backoff | undefined;
    for (;;) {
      const { done, value: item } = await this.#stream.next();
      if (done) return null;
      const waitSeconds = item.kind === 'event' ? this.#base.account.exhaustedForSeconds : 0;
      if (waitSeconds > 0) throw rateLimited(waitSeconds);
      backoff ??= new Backoff();
      let failure: unknown;
      try {
        const result = await this.#resultOf(item);
        // Checks the rights after the execution, right before the result is sent.
        if (!isRepeatable(item) || (await this.#stream.confirm())) return result;
      } catch (error) {
        if (!isRepeatable(item)) throw error;
        failure = error;
      }
      if (failure !== undefined) {
        this.#base.log.debug({ err: failure }, 'an item of a stream could not be made; it is tried again');
        await backoff.next(failure, this.#stop.signal);
      }
      this.#stream.repeat();
    }
  }

  /** Executes an item. @throws the error that made the execution fail. */
  async #resultOf(item: SubscriptionItem): Promise<ExecutionResult> {
    if (item.kind === 'answer') return item.answer.result;
    const executed = await this.#run(item, 'actor' in item ? this.#base.renew(item.actor) : this.#base);
    const failure = failureOf(executed);
    if (failure !== undefined) throw failure;
    if (isExecutionState(executed)) this.#base.account.charge(executed.writer.at);
    else this.#base.account.chargeCost(this.#estimate);
    return resultOf(executed);
  }

  /**
   * Ends the stream with an error: on a WebSocket with the operation's `error` message, over SSE with a last event that
   * has only `errors`.
   */
  async #fail(error: unknown): Promise<IteratorResult<ExecutionResult, undefined>> {
    const stopped = this.#stop.signal.aborted;
    await this.return();
    if (stopped) return { done: true, value: undefined };
    if (!(error instanceof Refusal)) this.#base.log.error({ err: error }, 'a stream ended before an item that could not be made');
    const graphQLError = refusalError(error instanceof Refusal ? error : unavailable(), this.#base.language);
    if (this.#base.deliver !== undefined) throw graphQLError;
    return { done: false, value: { errors: [graphQLError] } };
  }
}

/** Returns whether an item depends on rights and can be retried, unlike the items that end a stream. */
const isRepeatable = ({ kind }: SubscriptionItem): boolean => kind !== 'ended' && kind !== 'resync';

export function useLive(serialize: SerializeResult, deliveries: Deliveries, documents: Documents): Plugin<GraphContext> {
  const subscribe = createSubscribe(serialize, deliveries, documents);
  return { onSubscribe: ({ setSubscribeFn }) => setSubscribeFn(subscribe) };
}

/** A shared result as an object or as bytes, each created on first use. */
class LazyResult implements SharedResult {
  readonly #executed: Executed;
  readonly #language: Language;
  readonly #serialize: SerializeResult;
  readonly #deliveries: Deliveries;
  #result: ExecutionResult | undefined;
  #bytes: Buffer | undefined;

  constructor(executed: Executed, language: Language, serialize: SerializeResult, deliveries: Deliveries) {
    this.#executed = executed;
    this.#language = language;
    this.#serialize = serialize;
    this.#deliveries = deliveries;
  }

  get result(): ExecutionResult {
    return (this.#result ??=
      this.#bytes === undefined ? resultOf(this.#executed) : (JSON.parse(this.#bytes.toString()) as ExecutionResult));
  }

  get bytes(): Buffer {
    return (this.#bytes ??= this.#writeBytes());
  }

  #writeBytes(): Buffer {
    this.#deliveries.serialisations += 1;
    const executed = this.#executed;
    // `resultOf` has emptied the writer if `result` was read before.
    if (this.#result !== undefined || !isExecutionState(executed) || executed.errors.length > 0)
      return Buffer.from(JSON.stringify(this.#serialize(this.result, this.#language) satisfies SerializableResult));
    const taken = takeBytes(executed);
    const bytes = Buffer.from(taken.bytes);
    taken.release();
    return bytes;
  }
}

/**
 * Reads the cursors of the event logs before the execution of an operation that selects `asOf`, so that no row in the
 * result is older than its cursor. Returns undefined if the document does not select `asOf`.
 */
export const takeAsOf = ({ document, contextValue }: ExecutionArgs & { contextValue: GraphContext }): Promise<unknown> | undefined =>
  selectsAsOf(document) ? captureHeads(contextValue) : undefined;

const asOfCache = new WeakMap<DocumentNode, boolean>();

/** Returns whether the document may select `asOf`. */
function selectsAsOf(document: DocumentNode): boolean {
  let selects = asOfCache.get(document);
  if (selects === undefined) asOfCache.set(document, (selects = document.loc === undefined || /\basOf\b/.test(document.loc.source.body)));
  return selects;
}

export const useAsOf = (): Plugin<GraphContext> => ({
  async onExecute({ args }) {
    await takeAsOf(args);
  },
});
