import type { Credential } from '../../auth/tokens.ts';
import type { ServiceActor, UserActor } from '../../policy/actor.ts';
import { retry } from './backoff.ts';
import type { ItemStream } from './item-stream.ts';
import { isActor, type EndReason, type ResolvedActor, type SubscriberRights } from './rights-cache.ts';
import type { Signal, SignalName } from './signals.ts';
import type { LiveEvents } from './subscription.ts';

/** Delivers the signals of one school to one subscriber, those that the subscriber may receive at that moment. */

export type SignalItem<N extends SignalName = SignalName> =
  /** The first item: from here on, signals are delivered. */
  | { kind: 'signalsStarted'; at: Date; actor: UserActor | ServiceActor }
  | { kind: 'signal'; signal: Signal<N>; actor: UserActor | ServiceActor }
  | { kind: 'signalsEnded'; reason: EndReason };

interface SignalRequest<N extends SignalName = SignalName> {
  name: N;
  schoolId: string;
  credential: Credential;
  /** Returns whether the actor may have this stream at all. */
  isAllowed(actor: UserActor | ServiceActor): boolean;
  /** Returns whether the actor may receive this signal. */
  canReceive(actor: UserActor | ServiceActor, signal: Signal<N>): boolean;
}

export type SignalStream<N extends SignalName = SignalName> = ItemStream<SignalItem<N>>;

/** Maximum number of signals that wait for a slow consumer. Each further signal replaces the oldest one. */
const maxWaiting = 50;

/**
 * Opens a stream. When the subscriber loses the right to the stream, it ends with the item `signalsEnded`, even if no signal
 * arrives. However the stream ends, it removes its listeners.
 */
export const followSignals = <N extends SignalName>(
  live: Pick<LiveEvents, 'rights' | 'signals'>,
  request: SignalRequest<N>,
): SignalStream<N> => new SignalSubscription(live, request);

class SignalSubscription<N extends SignalName> implements SignalStream<N> {
  readonly #live: Pick<LiveEvents, 'rights' | 'signals'>;
  readonly #request: SignalRequest<N>;
  readonly #items: AsyncGenerator<SignalItem<N>, void, undefined>;
  readonly #stop = new AbortController();
  readonly #waiting: Signal<N>[] = [];
  #rights!: SubscriberRights;
  /** Ends the wait for a signal. */
  #wake: () => void = () => undefined;
  #revokedReason: EndReason | null = null;
  /** The actor of the last item. */
  #itemActor: ResolvedActor | null = null;
  #isItemRepeated = false;

  constructor(live: Pick<LiveEvents, 'rights' | 'signals'>, request: SignalRequest<N>) {
    this.#live = live;
    this.#request = request;
    this.#items = this.#iterate();
  }

  async confirm(): Promise<boolean> {
    const actor = await this.#resolveActor();
    return actor === this.#itemActor && this.#checkAccess(actor) === null;
  }

  repeat(): void {
    this.#isItemRepeated = true;
  }

  next(): Promise<IteratorResult<SignalItem<N>, void>> {
    return this.#items.next();
  }

  /** Ends the stream. Aborts first, because a generator that waits for a signal would end only at the next one. */
  return(): Promise<IteratorResult<SignalItem<N>, void>> {
    this.#stop.abort();
    this.#wake();
    return this.#items.return();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async *#iterate(): AsyncGenerator<SignalItem<N>, void, undefined> {
    const { schoolId, credential } = this.#request;
    this.#rights = this.#live.rights.subscribe({
      schoolId,
      credential,
      checkAccess: (actor) => this.#checkAccess(actor),
      onRevoked: (reason) => {
        this.#revokedReason = reason;
        this.#wake();
      },
    });
    const unsubscribe = this.#live.signals.subscribe(schoolId, (signal) => this.#receive(signal));
    try {
      let hasStarted = false;
      while (!this.#stop.signal.aborted) {
        if (hasStarted && this.#waiting.length === 0) await this.#waitForSignal();
        const actor = await this.#resolveActor();
        const reason = this.#checkAccess(actor);
        if (reason !== null || !isActor(actor)) return yield { kind: 'signalsEnded', reason: reason ?? 'SESSION_ENDED' };
        if (hasStarted) yield* this.#deliver(actor);
        else hasStarted = yield* this.#yieldItem({ kind: 'signalsStarted', at: new Date(), actor }, actor);
      }
    } finally {
      this.#rights.close();
      unsubscribe();
    }
  }

  #receive(signal: Signal): void {
    if (signal.name !== this.#request.name) return;
    if (this.#waiting.push(signal as Signal<N>) > maxWaiting) this.#waiting.shift();
    this.#wake();
  }

  /** Resolves when a signal arrives, the right is lost, or the stream stops. */
  async #waitForSignal(): Promise<void> {
    if (this.#revokedReason !== null || this.#stop.signal.aborted) return;
    await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  async *#deliver(actor: UserActor | ServiceActor): AsyncGenerator<SignalItem<N>, void, undefined> {
    const signal = this.#waiting.shift();
    if (signal === undefined || !this.#request.canReceive(actor, signal)) return;
    if (!(yield* this.#yieldItem({ kind: 'signal', signal, actor }, actor))) this.#waiting.unshift(signal);
  }

  /** Yields an item. Returns false if `repeat` took it back. */
  async *#yieldItem(item: SignalItem<N>, actor: ResolvedActor): AsyncGenerator<SignalItem<N>, boolean, undefined> {
    this.#itemActor = actor;
    this.#isItemRepeated = false;
    yield item;
    return !this.#isItemRepeated;
  }

  /**
   * Returns the actor with current rights. This stream does not read the log, which would confirm cached rights, so cached
   * rights are valid only for a short time (`maxAgeMs`). Almost every signal therefore needs a load.
   */
  async #resolveActor(): Promise<ResolvedActor> {
    const { maxAgeMs } = this.#live.rights;
    return this.#rights.cached(maxAgeMs) ?? retry(() => this.#rights.resolve(maxAgeMs), this.#stop.signal);
  }

  #checkAccess(actor: ResolvedActor): EndReason | null {
    if (this.#revokedReason !== null) return this.#revokedReason;
    if (!isActor(actor)) return actor.ended;
    return this.#request.isAllowed(actor) ? null : 'ROLE_ENDED';
  }
}
