import type { ExecutionResult, GraphQLError } from 'graphql';
import type { Account } from '../account-limits.ts';
import { RequestError } from '../errors.ts';
import type { RequestContext } from '../request-context.ts';

/** Counts the open streams of each account, within its limit. */

/** Returns the error for an account that has too many open streams; undefined if the account may open another stream. */
export function streamRefusal({ account, language }: Pick<RequestContext, 'account' | 'language'>): RequestError | undefined {
  if (account.mayOpenStream) return undefined;
  const text = [
    'У вас открыто слишком много подписок. Закройте лишние.',
    'You have too many subscriptions open. Close some of them.',
  ] as const;
  return new RequestError('TOO_MANY_STREAMS', text, { status: 429, language });
}

export type Results = AsyncIterableIterator<ExecutionResult>;

export const isStream = (results: Results | ExecutionResult): results is Results => Symbol.asyncIterator in results;

type MaskErrors = (error: unknown) => GraphQLError[];

/**
 * Opens a stream, and counts it as one of the account's streams until it ends. Masks the errors of its results.
 * @param open returns the results, or one result with errors.
 * @throws RequestError when the account has too many open streams.
 */
export async function openCounted(
  context: Pick<RequestContext, 'account' | 'language'>,
  open: () => Promise<Results | ExecutionResult>,
  mask: MaskErrors,
): Promise<Results | ExecutionResult> {
  const refusal = streamRefusal(context);
  if (refusal !== undefined) throw refusal;
  const slot = new StreamSlot(context.account);
  try {
    const results = await open();
    if (isStream(results)) return new CountedResults(results, slot, mask);
    slot.free();
    return masked(results, mask);
  } catch (error) {
    slot.free();
    throw error;
  }
}

const masked = (result: ExecutionResult, mask: MaskErrors): ExecutionResult =>
  result.errors === undefined ? result : { ...result, errors: mask(result.errors) };

/** Counts one stream of an account until it is freed. */
class StreamSlot {
  readonly #account: Account;
  #isFree = false;

  constructor(account: Account) {
    this.#account = account;
    account.streams += 1;
  }

  free(): void {
    if (!this.#isFree) this.#account.streams -= 1;
    this.#isFree = true;
  }
}

class CountedResults implements Results {
  readonly #results: Results;
  readonly #slot: StreamSlot;
  readonly #mask: MaskErrors;

  constructor(results: Results, slot: StreamSlot, mask: MaskErrors) {
    this.#results = results;
    this.#slot = slot;
    this.#mask = mask;
  }

  async next(): Promise<IteratorResult<ExecutionResult>> {
    try {
      const result = await this.#results.next();
      if (!result.done) return { done: false, value: masked(result.value, this.#mask) };
      this.#slot.free();
      return result;
    } catch (error) {
      this.#slot.free();
      throw this.#mask(error)[0]!;
    }
  }

  async return(): Promise<IteratorResult<ExecutionResult>> {
    this.#slot.free();
    return (await this.#results.return?.()) ?? { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
