import { Duplex } from 'node:stream';

type Callback = (error?: Error | null) => void;

/** Types of messages after which a client waits for an answer: Query, Sync, Flush, CopyDone, CopyFail, password. */
const turnEnds = new Set([...'QSHcfp'].map((letter) => letter.charCodeAt(0)));

/**
 * A stream that replaces the socket of node-postgres. Collects the written bytes, and forwards only whole turns of
 * the PostgreSQL protocol. A turn ends with a message after which the client waits for an answer.
 */
export class ProtocolStream extends Duplex {
  /** As on a socket: the number of bytes that were received. */
  bytesRead = 0;
  #pending = Buffer.alloc(0);
  #started = false;
  readonly #send: (bytes: Uint8Array) => void;

  constructor(send: (bytes: Uint8Array) => void) {
    super();
    this.#send = send;
  }

  /** Adds bytes that the database sent. */
  receive(bytes: Uint8Array): void {
    this.bytesRead += bytes.byteLength;
    if (!this.destroyed && !this.writableFinished) this.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  }

  override _read(): void {
    // `receive` pushes the bytes without backpressure, because they are at most the answer to one statement.
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: Callback): void {
    this.#append([chunk]);
    callback();
  }

  override _writev(chunks: { chunk: Buffer }[], callback: Callback): void {
    this.#append(chunks.map(({ chunk }) => chunk));
    callback();
  }

  override _final(callback: Callback): void {
    this.push(null);
    callback();
  }

  #append(chunks: Buffer[]): void {
    this.#pending = Buffer.concat([this.#pending, ...chunks]);
    const end = this.#endOfTurn();
    if (end === 0) return;
    // Copies the bytes, because posting a view would clone its whole buffer to the worker.
    this.#send(new Uint8Array(this.#pending.subarray(0, end)));
    this.#pending = this.#pending.subarray(end);
  }

  /**
   * Returns how many of the pending bytes can be forwarded: up to the last message after which the client waits for an
   * answer.
   */
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
      if (header === 0 || turnEnds.has(bytes[at] ?? 0)) end = next;
      this.#started = true;
      at = next;
    }
  }

  // The methods of a socket that node-postgres calls.
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
