import type { Logger } from '../../logger.ts';
import type { Notifier } from '../notifier.ts';

/**
 * Signals say what goes on at this moment, such as the progress of an import. Unlike events they are in no log: they have
 * no cursor, may be lost, and are of no use a moment later. src/events/live/signal-stream.ts delivers them.
 */

export type PlanStage = 'READING' | 'COMPARING' | 'CHECKING' | 'WRITING' | 'FINISHED';

export interface PlanProgress {
  planId: string;
  /** The upload from which the plan is being made; null if there is none, and while the plan is applied. */
  uploadId: string | null;
  /** The service that makes or made the plan; null for a person. The right to read the plan depends on this id. */
  clientId: string | null;
  stage: PlanStage;
  done: number | null;
  total: number | null;
}

/** The payload of each signal: ids and numbers, no personal data, far below the 8,000 bytes of a NOTIFY. */
interface SignalPayloads {
  planProgress: PlanProgress;
}

export type SignalName = keyof SignalPayloads;

export interface Signal<N extends SignalName = SignalName> {
  name: N;
  schoolId: string;
  payload: SignalPayloads[N];
}

type Listener = (signal: Signal) => void;

/** Passes signals to the subscribers of a school, in this process and in the others. */
export class Signals {
  readonly #notifier: Notifier;
  readonly #log: Logger;
  /** Listeners by the id of the school. A school without a subscriber has no entry. */
  readonly #listeners = new Map<string, Set<Listener>>();
  readonly #stopListening: () => void;

  constructor(notifier: Notifier, log: Logger) {
    this.#notifier = notifier;
    this.#log = log;
    this.#stopListening = notifier.onSignal((text) => this.#receive(text));
  }

  /**
   * Sends a signal at once, and does not wait until it is delivered. May be called in a transaction; a rollback does not take
   * the signal back. The caller must limit how often it sends.
   */
  send(signal: Signal): void {
    this.#emit(signal);
    this.#notifier.sendSignal(JSON.stringify(signal));
  }

  /** Adds a listener for the signals of a school. Returns a function that removes it. */
  subscribe(schoolId: string, listener: Listener): () => void {
    const ofSchool = this.#listeners.get(schoolId) ?? new Set<Listener>();
    this.#listeners.set(schoolId, ofSchool.add(listener));
    return () => {
      ofSchool.delete(listener);
      if (ofSchool.size === 0 && this.#listeners.get(schoolId) === ofSchool) this.#listeners.delete(schoolId);
    };
  }

  close(): void {
    this.#stopListening();
    this.#listeners.clear();
  }

  #receive(text: string): void {
    if (this.#listeners.size === 0) return;
    try {
      this.#emit(JSON.parse(text) as Signal);
    } catch (error) {
      // A process of another version may send what this one cannot read.
      this.#log.warn({ err: error }, 'a signal of another process could not be read');
    }
  }

  #emit(signal: Signal): void {
    for (const listener of this.#listeners.get(signal.schoolId) ?? []) listener(signal);
  }
}
