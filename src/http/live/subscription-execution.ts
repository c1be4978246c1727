import { createSourceEventStream, type ExecutionArgs, type ExecutionResult, type GraphQLError } from 'graphql';
import { rateLimited, Refusal, unavailable } from '../../errors.ts';
import { Backoff } from '../../events/live/backoff.ts';
import type { SignalStream } from '../../events/live/signal-stream.ts';
import type { Stream } from '../../events/live/subscription.ts';
import type { SocketSink } from '../../events/live/subscription-executor.ts';
import { isExecutionState, resultOf } from '../../executor/executor.ts';
import { refusalError, type SerializeResult } from '../errors.ts';
import type { Documents } from '../graphql/documents.ts';
import { prepareCharged } from '../graphql/admission.ts';
import type { RequestContext } from '../request-context.ts';
import { RequestGroups } from './request-groups.ts';
import { GroupExecutor, PersonalRights } from './shared-execution.ts';
import { SubscriptionOperation, throwFailure, type ExecutionCounts, type StreamItem } from './subscription-operation.ts';

/** The arguments of graphql-js's `subscribe`. `sink` sends the shared results to a client on a WebSocket. */
export interface SubscribeArgs extends ExecutionArgs {
  sink?: SocketSink;
}

/**
 * Opens subscriptions. Executes each item in a new context, which has the rights that were checked for this item, and
 * reads all rows again. One context for the whole subscription would serve cached rows, even after rights are lost.
 * Subscribers with the same request and equivalent rights share one result, which is executed and serialised once.
 */
export class Subscriptions {
  readonly #serialize: SerializeResult;
  readonly #counts: ExecutionCounts;
  readonly #documents: Documents;
  readonly #groups = new RequestGroups();
  readonly #personalRights = new PersonalRights();

  constructor(serialize: SerializeResult, counts: ExecutionCounts, documents: Documents) {
    this.#serialize = serialize;
    this.#counts = counts;
    this.#documents = documents;
  }

  /** Replaces `subscribe` of graphql-js. */
  async subscribe(args: SubscribeArgs): Promise<AsyncIterableIterator<ExecutionResult> | ExecutionResult> {
    const base = args.contextValue as RequestContext;
    const prepared = prepareCharged(args);
    let release: () => void;
    try {
      release = this.#documents.hold(args.document, prepared.compiled, base);
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
    const stream = items as Stream | SignalStream;
    const sink = args.sink ?? null;
    const operation = new SubscriptionOperation(base, prepared, this.#serialize, this.#counts);
    if ('shareExecution' in stream) {
      const groupKey = this.#groups.keyOf(args, stream.request.streamKey);
      if (groupKey !== null) stream.shareExecution(new GroupExecutor(groupKey, operation, this.#personalRights), sink);
    }
    const estimate = base.document.costOf(args.variableValues ?? {}, args.operationName);
    return new ResultIterator({ stream, operation, sink, estimate, release });
  }
}

interface ResultIteratorOptions {
  stream: Stream | SignalStream;
  operation: SubscriptionOperation;
  sink: SocketSink | null;
  /** The cost that the account is charged for an item if the size of its result is unknown. */
  estimate: number;
  /** Called when the subscription ends. */
  release: () => void;
}

/**
 * The results of one subscription. Never skips an item: retries a failed execution. If the retries fail too, ends the
 * stream with an error before the item, so that the client resumes from its last cursor.
 */
class ResultIterator implements AsyncIterableIterator<ExecutionResult> {
  readonly #options: ResultIteratorOptions;
  readonly #stop = new AbortController();

  constructor(options: ResultIteratorOptions) {
    this.#options = options;
  }

  async next(): Promise<IteratorResult<ExecutionResult, undefined>> {
    if (this.#stop.signal.aborted) return { done: true, value: undefined };
    try {
      const value = await this.#deliver();
      if (value !== null) return { done: false, value };
      this.#options.release();
      return { done: true, value: undefined };
    } catch (error) {
      return this.#fail(error);
    }
  }

  async return(): Promise<IteratorResult<ExecutionResult, undefined>> {
    this.#options.release();
    this.#stop.abort();
    await this.#options.stream.return?.();
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
    const { stream, operation } = this.#options;
    const { account, log } = operation.base;
    let backoff: Backoff | undefined;
    for (;;) {
      const { done, value: item } = await stream.next();
      if (done) return null;
      const waitSeconds = item.kind === 'event' || item.kind === 'signal' ? account.exhaustedForSeconds : 0;
      if (waitSeconds > 0) throw rateLimited(waitSeconds);
      backoff ??= new Backoff();
      let failure: unknown;
      try {
        const result = await this.#resultOf(item);
        // Checks the rights after the execution, right before the result is sent.
        if (!isRepeatable(item) || (await stream.confirm())) return result;
      } catch (error) {
        if (!isRepeatable(item)) throw error;
        failure = error;
      }
      if (failure !== undefined) {
        log.debug({ err: failure }, 'an item of a stream could not be executed; it is tried again');
        await backoff.next(failure, this.#stop.signal);
      }
      stream.repeat();
    }
  }

  /** Executes an item. @throws the error that made the execution fail. */
  async #resultOf(item: StreamItem): Promise<ExecutionResult> {
    if (item.kind === 'result') return item.result.result;
    const { operation, estimate } = this.#options;
    const { base } = operation;
    const executed = await operation.execute(item, 'actor' in item ? base.renew(item.actor) : base);
    throwFailure(executed);
    if (isExecutionState(executed)) base.account.charge(executed.writer.at);
    else base.account.chargeCost(estimate);
    return resultOf(executed);
  }

  /**
   * Ends the stream with an error: on a WebSocket with the operation's `error` message, over SSE with a last event that
   * has only `errors`.
   */
  async #fail(error: unknown): Promise<IteratorResult<ExecutionResult, undefined>> {
    const { operation, sink } = this.#options;
    const { log, language } = operation.base;
    const stopped = this.#stop.signal.aborted;
    await this.return();
    if (stopped) return { done: true, value: undefined };
    if (!(error instanceof Refusal)) log.error({ err: error }, 'a stream ended before an item that could not be executed');
    const graphQLError = refusalError(error instanceof Refusal ? error : unavailable(), language);
    if (sink !== null) throw graphQLError;
    return { done: false, value: { errors: [graphQLError] } };
  }
}

/** Returns whether an item depends on rights and can be retried, unlike the items that end a stream. */
const isRepeatable = ({ kind }: StreamItem): boolean => kind !== 'ended' && kind !== 'resync' && kind !== 'signalsEnded';
