import { Duplex } from 'node:stream';

type Done = (error?: Error | null) => void;

/** Types of messages after which a client waits for an answer: Query, Sync, Flush, CopyDone, CopyFail, password. */
const turns = new Set([...'QSHcfp'].map((letter) => letter.charCodeAt(0)));

/**
 * What node-postgres takes for its socket: hands on whole turns of the PostgreSQL protocol, however their bytes were cut
 * when written.
 */
export class ProtocolStream extends Duplex {
  #pending = Buffer.alloc(0);
  #started = false;
  readonly #send: (bytes: Uint8Array) => void;

  constructor(send: (bytes: Uint8Array) => void) {
    super();
    this.#send = send;
  }

  /** Bytes that the database answered. */
  receive(bytes: Uint8Array): void {
    if (!this.destroyed && !this.writableFinished) this.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  }

  override _read(): void {
    // Answers come when they come; none is longer than one statement's.
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.#take([chunk]);
    done();
  }

  override _writev(chunks: { chunk: Buffer }[], done: Done): void {
    this.#take(chunks.map(({ chunk }) => chunk));
    done();
  }

  override _final(done: Done): void {
    this.push(null);
    done();
  }

  #take(chunks: Buffer[]): void {
    this.#pending = Buffer.concat([this.#pending, ...chunks]);
    const end = this.#endOfTurn();
    if (end === 0) return;
    // A copy of exactly these bytes: a view would carry its whole buffer into the other thread.
    this.#send(new Uint8Array(this.#pending.subarray(0, end)));
    this.#pending = this.#pending.subarray(end);
  }

  /** How many of the pending bytes make up whole turns. */
  #endOfTurn(): number {
    const bytes = this.#pending;
    let at = 0;
    let end = 0;
    for (;;) {
      // The first message of a connection has no type byte.
      const header = this.#started ? 1 : 0;
      if (bytes.length < at + header + 4) return end;
      const next = at + header + bytes.readUInt32BE(at + header);
      if (bytes.length < next) return end;
      if (header === 0 || turns.has(bytes[at] ?? 0)) end = next;
      this.#started = true;
      at = next;
    }
  }

  // The parts of a socket that node-postgres calls.
  connect(): this {
    queueMicrotask(() => this.emit('connect'));
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }
}
