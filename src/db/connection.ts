import type { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import type pg from 'pg';
import { readOnlyState } from './availability.ts';
import type { ReaderConfig } from '../reader/row-parser.ts';
import { PreparingClient } from '../reader/statements.ts';
import type { Watchdog, Watched } from './watchdog.ts';

export interface ConnectionConfig extends ReaderConfig {
  /** Enforces deadlines on the connection, from its handshake to its end. */
  watchdog?: Watchdog;
  /** Called when the server refuses a change because it is read-only, as a standby is. */
  onReadOnly?: () => void;
}

/** Private members of the client of node-postgres 8.23; test/db/watchdog.test.ts fails when they change. */
interface Internals {
  connection: EventEmitter & { stream: Socket };
  _connecting: boolean;
  _ending: boolean;
  _ended: boolean;
  _activeQuery: object | null;
  _sentQueryQueue: readonly object[];
}

type ConnectCallback = ((error: Error) => void) & ((error: null, client: pg.Client) => void);

/** A node-postgres client with client-side deadlines (src/db/watchdog.ts). */
export class Connection extends PreparingClient implements Watched {
  answerWithinMs: number | undefined;
  /** Set by `retire`. The connection takes no new statements, because its address may now lead to another server. */
  retired = false;
  readonly #watchdog: Watchdog | undefined;

  constructor(config: ConnectionConfig) {
    super(config);
    this.#watchdog = config.watchdog;
    this.#internals.connection.on('errorMessage', ({ code }: { code?: string }) => {
      if (code === readOnlyState) config.onReadOnly?.();
    });
  }

  get #internals(): Internals {
    return this as unknown as Internals;
  }

  override connect(): Promise<pg.Client>;
  override connect(callback: ConnectCallback): void;
  override connect(callback?: ConnectCallback): Promise<pg.Client> | void {
    this.#watchdog?.watch(this);
    return callback === undefined ? super.connect() : super.connect(callback);
  }

  get awaiting(): Watched['awaiting'] {
    const { _connecting, _activeQuery, _sentQueryQueue, _ending, _ended } = this.#internals;
    if (_ended) return null;
    if (_connecting) return 'handshake';
    if (_activeQuery !== null || _sentQueryQueue.length > 0) return 'answer';
    return _ending ? 'end' : null;
  }

  get bytesRead(): number {
    return this.#internals.connection.stream.bytesRead;
  }

  destroy(error: Error): void {
    this.#internals.connection.stream.destroy(error);
  }

  retire(reason: Error): void {
    this.retired = true;
    if (this.awaiting === null && this.getTransactionStatus() !== 'T') this.destroy(reason);
  }
}
