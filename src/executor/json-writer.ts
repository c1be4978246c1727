import { wireBuffer, type WireBuffer } from '../reader/row-view.ts';

/**
 * JSON as bytes, written from left to right in memory that is used again: texts would be made only to be copied, and
 * fresh memory costs more than what is written into it.
 */

const bufferPool: WireBuffer[] = [];
let pooledBytes = 0;
const maxPooledBytes = 16 * 1024 * 1024;
const minBufferBytes = 64 * 1024;
const maxBufferBytes = 4 * 1024 * 1024;

/** Memory of this size at least, that which was given back last first. New memory has a power of two, so that it fits again. */
function acquireBuffer(size: number): WireBuffer {
  const at = bufferPool.findLastIndex(({ bytes }) => bytes.length >= size);
  if (at < 0) return wireBuffer(Buffer.allocUnsafeSlow(Math.max(minBufferBytes, 2 ** Math.ceil(Math.log2(size)))));
  const [memory] = bufferPool.splice(at, 1);
  pooledBytes -= memory!.bytes.length;
  return memory!;
}

function releaseBuffer(memory: WireBuffer): void {
  const { length } = memory.bytes;
  if (length > maxBufferBytes || pooledBytes + length > maxPooledBytes) return;
  bufferPool.push(memory);
  pooledBytes += length;
}

const quote = 0x22;
const backslash = 0x5c;
const equals = 0x3d;

const digits = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/');
/** Two digits of Base64 for each twelve bits. */
const pairs = Uint16Array.from({ length: 4096 }, (_none, bits) => (digits[bits >> 6]! << 8) | digits[bits & 63]!);

/** Bytes that are written often, four at a time. */
export class StaticBytes {
  readonly length: number;
  readonly words: Int32Array;

  constructor(text: string) {
    const bytes = Buffer.from(text);
    this.length = bytes.length;
    const padded = Buffer.concat([bytes, Buffer.alloc(3)]);
    this.words = Int32Array.from({ length: (bytes.length + 3) >> 2 }, (_none, n) => padded.readInt32BE(n * 4));
  }
}

/** What stands before a text of which the Base64 is written: what it makes by itself, and the bytes left over from that. */
export class Base64Prefix {
  readonly ready: StaticBytes;
  readonly left: number;
  readonly rest: number;

  constructor(text: string) {
    const bytes = Buffer.from(text);
    this.left = bytes.length % 3;
    const whole = bytes.length - this.left;
    this.ready = new StaticBytes(`"${bytes.toString('base64', 0, whole)}`);
    this.rest = bytes.subarray(whole).reduce((sum, byte) => (sum << 8) | byte, 0);
  }
}

export class JsonWriter {
  /** Bytes written so far; whoever sets it back writes again from there. */
  at = 0;
  bytes: Buffer;
  #memory: WireBuffer;
  #view: DataView;

  constructor() {
    const memory = acquireBuffer(minBufferBytes);
    this.#memory = memory;
    this.bytes = memory.bytes;
    this.#view = memory.view;
  }

  byte(value: number): void {
    if (this.at === this.bytes.length) this.#grow(1);
    this.bytes[this.at++] = value;
  }

  copy({ words, length }: StaticBytes): void {
    // What is written beyond the end is written over.
    if (this.at + length + 4 > this.bytes.length) this.#grow(length + 4);
    const { at } = this;
    const view = this.#view;
    for (let n = 0; n < words.length; n += 1) view.setInt32(at + n * 4, words[n]!);
    this.at = at + length;
  }

  /** JSON that is text already. */
  json(text: string): void {
    const most = text.length * 3;
    if (this.at + most > this.bytes.length) this.#grow(most);
    this.at += this.bytes.write(text, this.at);
  }

  /** A string as `JSON.stringify` writes it. */
  string(value: string): void {
    const { length } = value;
    const most = length * 3 + 2;
    if (this.at + most > this.bytes.length) this.#grow(most);
    const { bytes } = this;
    let { at } = this;
    bytes[at++] = quote;
    for (let n = 0; n < length; n += 1) {
      const code = value.charCodeAt(n);
      if (code < 0x80) {
        if (code < 0x20 || code === quote || code === backslash) return this.json(JSON.stringify(value));
        bytes[at++] = code;
      } else if (code < 0x800) {
        bytes[at++] = 0xc0 | (code >> 6);
        bytes[at++] = 0x80 | (code & 0x3f);
      } else {
        // Pairs are rare, and where one stands alone it is escaped.
        if (code >= 0xd800 && code <= 0xdfff) return this.json(JSON.stringify(value));
        bytes[at++] = 0xe0 | (code >> 12);
        bytes[at++] = 0x80 | ((code >> 6) & 0x3f);
        bytes[at++] = 0x80 | (code & 0x3f);
      }
    }
    bytes[at++] = quote;
    this.at = at;
  }

  /**
   * A sign, and the UTF-8 that begins at `start`, as it stands in a string; false, with a part of it written, where something
   * has to be escaped.
   */
  text(sign: number, from: DataView, start: number, length: number): boolean {
    if (this.at + length + 1 > this.bytes.length) this.#grow(length + 1);
    const view = this.#view;
    const at = this.at + 1;
    view.setUint8(this.at, sign);
    if (length < 4)
      for (let n = 0; n < length; n += 1) {
        const code = from.getUint8(start + n);
        if (code < 0x20 || code === quote || code === backslash) return false;
        view.setUint8(at + n, code);
      }
    else {
      for (let n = 0; n <= length - 4; n += 4) {
        const four = from.getInt32(start + n);
        if (escapes(four)) return false;
        view.setInt32(at + n, four);
      }
      // The last four, of which some are written already.
      const four = from.getInt32(start + length - 4);
      if (escapes(four)) return false;
      view.setInt32(at + length - 4, four);
    }
    this.at = at + length;
    return true;
  }

  /** A string: the Base64 of what stands before and of the bytes that begin at `start`, three at least. */
  base64({ ready, left, rest }: Base64Prefix, from: DataView, start: number, length: number): void {
    const most = ready.length + (((length + 4) / 3) << 2) + 8;
    if (this.at + most > this.bytes.length) this.#grow(most);
    this.copy(ready);
    const view = this.#view;
    let { at } = this;
    const end = start + length;
    let n = start;
    if (left > 0) {
      const three = left === 1 ? (rest << 16) | from.getUint16(n) : (rest << 8) | from.getUint8(n);
      view.setInt32(at, (pairs[three >> 12]! << 16) | pairs[three & 4095]!);
      at += 4;
      n += 3 - left;
    }
    for (; n + 2 < end; n += 3) {
      const three = from.getInt32(n - 1) & 0xffffff;
      view.setInt32(at, (pairs[three >> 12]! << 16) | pairs[three & 4095]!);
      at += 4;
    }
    if (n < end) {
      const two = n + 1 < end;
      const three = (from.getUint8(n) << 16) | (two ? from.getUint8(n + 1) << 8 : 0);
      view.setInt32(at, (pairs[three >> 12]! << 16) | pairs[three & 4095]!);
      if (!two) view.setUint8(at + 2, equals);
      view.setUint8(at + 3, equals);
      at += 4;
    }
    view.setUint8(at, quote);
    this.at = at + 1;
  }

  /** The memory is another's from now on. */
  end(): void {
    releaseBuffer(this.#memory);
  }

  #grow(by: number): void {
    const grown = acquireBuffer(Math.max(this.bytes.length * 2, this.at + by));
    this.bytes.copy(grown.bytes, 0, 0, this.at);
    releaseBuffer(this.#memory);
    this.#memory = grown;
    this.bytes = grown.bytes;
    this.#view = grown.view;
  }
}

/** Whether one of four bytes may not stand in a string: less than a space, a quote or a backslash. */
function escapes(four: number): boolean {
  const quotes = four ^ 0x22222222;
  const backslashes = four ^ 0x5c5c5c5c;
  // A byte that is less than another borrows from its highest bit.
  const less = ((four - 0x20202020) | 0) & ~four;
  const quoted = ((quotes - 0x01010101) | 0) & ~quotes;
  const slashed = ((backslashes - 0x01010101) | 0) & ~backslashes;
  return ((less | quoted | slashed) & 0x80808080) !== 0;
}

/** A stretch of the whole that is written apart: pairs of positions on the tape, and places in turn. */
export interface Segment {
  parts: (number | Segment)[];
  /** Where that begins which is written now. */
  open: number;
}

/** Ends what is being written at a place. */
export function closeSegment(place: Segment, at: number): void {
  if (at > place.open) place.parts.push(place.open, at);
}

/** Bytes in memory that is the caller's until it is given back. */
export interface AssembledBytes {
  bytes: Buffer;
  release(): void;
}

/** What stands at a place, in its order, between what comes before and after it; the tape ends. */
export function assemble(tape: JsonWriter, place: Segment, before: Uint8Array, after: Uint8Array): AssembledBytes {
  const memory = acquireBuffer(before.length + tape.at + after.length);
  const { bytes } = memory;
  bytes.set(before);
  let at = before.length;
  const add = ({ parts }: Segment): void => {
    for (let n = 0; n < parts.length; n += 1) {
      const part = parts[n]!;
      if (typeof part === 'number') at += tape.bytes.copy(bytes, at, part, parts[++n] as number);
      else add(part);
    }
  };
  add(place);
  bytes.set(after, at);
  tape.end();
  return { bytes: bytes.subarray(0, at + after.length), release: () => releaseBuffer(memory) };
}
