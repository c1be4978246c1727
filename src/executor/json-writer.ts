/**
 * Writes JSON as bytes into pooled buffers. This avoids strings that would only be copied. It also avoids the page
 * faults of new memory, which cost more than the writing (docs/profile.md).
 */

/** A buffer, also as a DataView. */
interface PooledBuffer {
  bytes: Buffer;
  view: DataView;
}

const bufferPool: PooledBuffer[] = [];
let pooledBytes = 0;
const maxPooledBytes = 16 * 1024 * 1024;
const minBufferBytes = 64 * 1024;
const maxBufferBytes = 4 * 1024 * 1024;

/**
 * Returns the last released buffer of at least `size` bytes, or a new buffer. The sizes of new buffers are powers of
 * two, so that later calls can use them again.
 */
function acquireBuffer(size: number): PooledBuffer {
  const index = bufferPool.findLastIndex(({ bytes }) => bytes.length >= size);
  if (index < 0) {
    const bytes = Buffer.allocUnsafeSlow(Math.max(minBufferBytes, 2 ** Math.ceil(Math.log2(size))));
    return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) };
  }
  const [buffer] = bufferPool.splice(index, 1);
  pooledBytes -= buffer!.bytes.length;
  return buffer!;
}

function releaseBuffer(buffer: PooledBuffer): void {
  const { length } = buffer.bytes;
  if (length > maxBufferBytes || pooledBytes + length > maxPooledBytes) return;
  bufferPool.push(buffer);
  pooledBytes += length;
}

const quote = 0x22;
const backslash = 0x5c;
const equals = 0x3d;

const base64Digits = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/');
/** Maps twelve bits to two digits of Base64. */
const base64Pairs = Uint16Array.from({ length: 4096 }, (_none, bits) => (base64Digits[bits >> 6]! << 8) | base64Digits[bits & 63]!);

/** Bytes that are written often, stored as 32-bit words to copy four bytes at a time. */
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

/**
 * The constant start of a Base64 string. Base64 encodes three bytes at a time. `encoded` is the quote, and all complete
 * triples of bytes in Base64. `remainder` is the zero, one or two bytes that are left.
 */
export class Base64Prefix {
  readonly encoded: StaticBytes;
  readonly remainderLength: number;
  readonly remainder: number;

  constructor(text: string) {
    const bytes = Buffer.from(text);
    this.remainderLength = bytes.length % 3;
    const whole = bytes.length - this.remainderLength;
    this.encoded = new StaticBytes(`"${bytes.toString('base64', 0, whole)}`);
    this.remainder = bytes.subarray(whole).reduce((sum, byte) => (sum << 8) | byte, 0);
  }
}

export class JsonWriter {
  /** Number of bytes written so far. Setting a smaller number discards the bytes after it. */
  at = 0;
  bytes: Buffer;
  #buffer: PooledBuffer;
  #view: DataView;

  constructor() {
    const buffer = acquireBuffer(minBufferBytes);
    this.#buffer = buffer;
    this.bytes = buffer.bytes;
    this.#view = buffer.view;
  }

  byte(value: number): void {
    if (this.at === this.bytes.length) this.#grow(1);
    this.bytes[this.at++] = value;
  }

  copy({ words, length }: StaticBytes): void {
    // The last word may write up to three bytes too many, which the next write replaces.
    if (this.at + length + 4 > this.bytes.length) this.#grow(length + 4);
    const { at } = this;
    const view = this.#view;
    for (let n = 0; n < words.length; n += 1) view.setInt32(at + n * 4, words[n]!);
    this.at = at + length;
  }

  /** Writes text that is JSON already. */
  json(text: string): void {
    const maxBytes = text.length * 3;
    if (this.at + maxBytes > this.bytes.length) this.#grow(maxBytes);
    this.at += this.bytes.write(text, this.at);
  }

  /** Writes a string as `JSON.stringify` does. */
  string(value: string): void {
    const { length } = value;
    const maxBytes = length * 3 + 2;
    if (this.at + maxBytes > this.bytes.length) this.#grow(maxBytes);
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
        // Leaves surrogates to JSON.stringify, which escapes lone ones. Surrogates are rare.
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
   * Writes a byte, then the UTF-8 at `start` as content of a JSON string. Returns false, and leaves `at` unchanged,
   * if a character must be escaped.
   */
  text(leadingByte: number, source: DataView, start: number, length: number): boolean {
    if (this.at + length + 1 > this.bytes.length) this.#grow(length + 1);
    const view = this.#view;
    const at = this.at + 1;
    view.setUint8(this.at, leadingByte);
    if (length < 4)
      for (let n = 0; n < length; n += 1) {
        const code = source.getUint8(start + n);
        if (code < 0x20 || code === quote || code === backslash) return false;
        view.setUint8(at + n, code);
      }
    else {
      for (let n = 0; n <= length - 4; n += 4) {
        const word = source.getInt32(start + n);
        if (needsEscape(word)) return false;
        view.setInt32(at + n, word);
      }
      // Copies the last four bytes, which may overlap the last word of the loop.
      const word = source.getInt32(start + length - 4);
      if (needsEscape(word)) return false;
      view.setInt32(at + length - 4, word);
    }
    this.at = at + length;
    return true;
  }

  /** Writes a string: the Base64 of the prefix and of at least three bytes from `start`. */
  base64({ encoded, remainderLength, remainder }: Base64Prefix, source: DataView, start: number, length: number): void {
    const maxBytes = encoded.length + (((length + 4) / 3) << 2) + 8;
    if (this.at + maxBytes > this.bytes.length) this.#grow(maxBytes);
    this.copy(encoded);
    const view = this.#view;
    let { at } = this;
    const end = start + length;
    let n = start;
    if (remainderLength > 0) {
      const triple = remainderLength === 1 ? (remainder << 16) | source.getUint16(n) : (remainder << 8) | source.getUint8(n);
      view.setInt32(at, (base64Pairs[triple >> 12]! << 16) | base64Pairs[triple & 4095]!);
      at += 4;
      n += 3 - remainderLength;
    }
    for (; n + 2 < end; n += 3) {
      const triple = source.getInt32(n - 1) & 0xffffff;
      view.setInt32(at, (base64Pairs[triple >> 12]! << 16) | base64Pairs[triple & 4095]!);
      at += 4;
    }
    if (n < end) {
      const hasSecondByte = n + 1 < end;
      const triple = (source.getUint8(n) << 16) | (hasSecondByte ? source.getUint8(n + 1) << 8 : 0);
      view.setInt32(at, (base64Pairs[triple >> 12]! << 16) | base64Pairs[triple & 4095]!);
      if (!hasSecondByte) view.setUint8(at + 2, equals);
      view.setUint8(at + 3, equals);
      at += 4;
    }
    view.setUint8(at, quote);
    this.at = at + 1;
  }

  /** Releases the buffer to the pool. The writer must not be used afterwards. */
  end(): void {
    releaseBuffer(this.#buffer);
  }

  #grow(size: number): void {
    const grown = acquireBuffer(Math.max(this.bytes.length * 2, this.at + size));
    this.bytes.copy(grown.bytes, 0, 0, this.at);
    releaseBuffer(this.#buffer);
    this.#buffer = grown;
    this.bytes = grown.bytes;
    this.#view = grown.view;
  }
}

/** Returns whether JSON escapes one of the four bytes: a control character, a quote or a backslash. */
function needsEscape(word: number): boolean {
  const quotes = word ^ 0x22222222;
  const backslashes = word ^ 0x5c5c5c5c;
  // Subtracting a larger byte from a smaller one borrows, which sets the highest bit of the difference.
  const controls = ((word - 0x20202020) | 0) & ~word;
  const quoted = ((quotes - 0x01010101) | 0) & ~quotes;
  const slashed = ((backslashes - 0x01010101) | 0) & ~backslashes;
  return ((controls | quoted | slashed) & 0x80808080) !== 0;
}

/**
 * A part of the output. `parts` contains, in the order of the output, pairs of positions in the writer (start and end),
 * and nested segments.
 */
export interface Segment {
  parts: (number | Segment)[];
  /** Start of the bytes that `closeSegment` adds next. */
  open: number;
}

/** Adds the bytes from `open` to `at` to the segment. */
export function closeSegment(place: Segment, at: number): void {
  if (at > place.open) place.parts.push(place.open, at);
}

/** Bytes in a pooled buffer, which the caller owns until `release`. */
export interface AssembledBytes {
  bytes: Buffer;
  release(): void;
}

/** Copies the segment, in order, between the prefix and the suffix, and releases the writer's buffer. */
export function assemble(writer: JsonWriter, segment: Segment, prefix: Uint8Array, suffix: Uint8Array): AssembledBytes {
  const buffer = acquireBuffer(prefix.length + writer.at + suffix.length);
  const { bytes } = buffer;
  bytes.set(prefix);
  let at = prefix.length;
  const add = ({ parts }: Segment): void => {
    for (let n = 0; n < parts.length; n += 1) {
      const part = parts[n]!;
      if (typeof part === 'number') at += writer.bytes.copy(bytes, at, part, parts[++n] as number);
      else add(part);
    }
  };
  add(segment);
  bytes.set(suffix, at);
  writer.end();
  return { bytes: bytes.subarray(0, at + suffix.length), release: () => releaseBuffer(buffer) };
}
