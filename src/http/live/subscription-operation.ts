import { GraphQLError, type ExecutionResult } from 'graphql';
import { Refusal, type Language } from '../../errors.ts';
import type { SignalItem } from '../../events/live/signal-stream.ts';
import type { SubscriptionItem } from '../../events/live/subscription.ts';
import type { SharedResult } from '../../events/live/subscription-executor.ts';
import { isExecutionState, resultOf, takeBytes, type Executed, type PreparedOperation } from '../../executor/executor.ts';
import type { GraphContext } from '../../graphql/context.ts';
import type { SerializableResult, SerializeResult } from '../errors.ts';
import type { RequestContext } from '../request-context.ts';

/** Counts the executions of stream items and the serialisations of shared results since the start of the process. */
export interface ExecutionCounts {
  executions: number;
  serialisations: number;
}

/** An item of a subscription to the log, or of one to signals. */
export type StreamItem = SubscriptionItem | SignalItem;

/** The operation of a subscription, which is executed for each of its items. */
export class SubscriptionOperation {
  /** The context of the request that opened the subscription. Each execution needs a new context, from `base.renew`. */
  readonly base: RequestContext;
  readonly #prepared: PreparedOperation;
  readonly #serialize: SerializeResult;
  readonly #counts: ExecutionCounts;

  constructor(base: RequestContext, prepared: PreparedOperation, serialize: SerializeResult, counts: ExecutionCounts) {
    this.base = base;
    this.#prepared = prepared;
    this.#serialize = serialize;
    this.#counts = counts;
  }

  /** Executes the operation with the item as its root value, as the specification says. */
  async execute(item: StreamItem, contextValue: GraphContext): Promise<Executed> {
    this.#counts.executions += 1;
    return this.#prepared.execute(item, contextValue);
  }

  /** Returns the result of an execution. @throws the error that makes the result unfit to send. */
  createSharedResult(executed: Executed): SharedResult {
    throwFailure(executed);
    return new LazyResult(executed, this.base.language, this.#serialize, this.#counts);
  }

  /** Logs why subscribers got no shared result. */
  logFailure(error: unknown): void {
    this.base.log.warn({ err: error }, 'a shared execution failed; each subscriber executes the event on its own');
  }
}

/**
 * Throws the error that makes a result unfit to send: a null in the result may stand for data that could not be read.
 * Refusals and errors of the client are part of a result that can be sent.
 */
export function throwFailure({ errors }: Executed): void {
  const failure = errors?.find(isFailure);
  if (failure !== undefined) throw failure;
}

function isFailure(error: GraphQLError): boolean {
  const original = error.originalError ?? error;
  if (original instanceof Refusal) return original.code === 'UNAVAILABLE';
  // graphql-js sets `nodes` on errors in the document, but not on errors of resolvers or of values that cannot be
  // serialised.
  return !(original instanceof GraphQLError && original.nodes !== undefined);
}

/** A shared result as an object or as bytes, each created on first use. */
class LazyResult implements SharedResult {
  readonly #executed: Executed;
  readonly #language: Language;
  readonly #serialize: SerializeResult;
  readonly #counts: ExecutionCounts;
  #result: ExecutionResult | undefined;
  #bytes: Buffer | undefined;

  constructor(executed: Executed, language: Language, serialize: SerializeResult, counts: ExecutionCounts) {
    this.#executed = executed;
    this.#language = language;
    this.#serialize = serialize;
    this.#counts = counts;
  }

  get result(): ExecutionResult {
    return (this.#result ??=
      this.#bytes === undefined ? resultOf(this.#executed) : (JSON.parse(this.#bytes.toString()) as ExecutionResult));
  }

  get bytes(): Buffer {
    return (this.#bytes ??= this.#writeBytes());
  }

  #writeBytes(): Buffer {
    this.#counts.serialisations += 1;
    const executed = this.#executed;
    // The first read of `result` calls `resultOf`, which releases the written bytes. The result is then serialised again.
    if (this.#result !== undefined || !isExecutionState(executed) || executed.errors.length > 0)
      return Buffer.from(JSON.stringify(this.#serialize(this.result, this.#language) satisfies SerializableResult));
    const taken = takeBytes(executed);
    const bytes = Buffer.from(taken.bytes);
    taken.release();
    return bytes;
  }
}
