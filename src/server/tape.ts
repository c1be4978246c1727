/**
 * JSON as bytes, written from left to right in memory that is used again: texts would be made only to be copied, and
 * fresh memory costs more than what is written into it.
 */

const spare: Buffer[] = [];
const mostSpare = 16;
const smallest = 64 * 1024;
const largest = 4 * 1024 * 1024;

const take = (size: number): Buffer => (spare.length > 0 && spare.at(-1)!.length >= size ? spare.pop()! : Buffer.allocUnsafeSlow(Math.max(size, smallest)));

function giveBack(memory: Buffer): void {
  if (spare.length < mostSpare && memory.length <= largest) spare.push(memory);
}

const quote = 0x22;
const backslash = 0x5c;

export class Tape {
  /** Bytes written so far; whoever sets it back writes again from there. */
  at = 0;
  bytes = take(smallest);

  byte(value: number): void {
    if (this.at === this.bytes.length) this.#grow(1);
    this.bytes[this.at++] = value;
  }

  copy(ready: Uint8Array): void {
    const { length } = ready;
    if (this.at + length > this.bytes.length) this.#grow(length);
    const { bytes, at } = this;
    for (let n = 0; n < length; n += 1) bytes[at + n] = ready[n]!;
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

  /** The memory is another's from now on. */
  end(): void {
    giveBack(this.bytes);
  }

  #grow(by: number): void {
    const grown = take(Math.max(this.bytes.length * 2, this.at + by));
    this.bytes.copy(grown, 0, 0, this.at);
    giveBack(this.bytes);
    this.bytes = grown;
  }
}

/** A stretch of the whole that is written apart: pairs of positions on the tape, and places in turn. */
export interface Place {
  parts: (number | Place)[];
  /** Where that begins which is written now. */
  open: number;
}

/** Ends what is being written at a place. */
export function cut(place: Place, at: number): void {
  if (at > place.open) place.parts.push(place.open, at);
}

/** Bytes in memory that is the caller's until it is given back. */
export interface Written {
  bytes: Buffer;
  giveBack(): void;
}

/** What stands at a place, in its order, between what comes before and after it; the tape ends. */
export function written(tape: Tape, place: Place, before: Uint8Array, after: Uint8Array): Written {
  const memory = take(before.length + tape.at + after.length);
  memory.set(before);
  let at = before.length;
  const add = ({ parts }: Place): void => {
    for (let n = 0; n < parts.length; n += 1) {
      const part = parts[n]!;
      if (typeof part === 'number') at += tape.bytes.copy(memory, at, part, parts[++n] as number);
      else add(part);
    }
  };
  add(place);
  memory.set(after, at);
  tape.end();
  return { bytes: memory.subarray(0, at + after.length), giveBack: () => giveBack(memory) };
}
