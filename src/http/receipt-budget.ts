import { unavailable } from '../errors.ts';
import { RequestError } from './errors.ts';

/** Limits of the memory for bodies that are being received: nothing is known of their senders yet. */

export const receiptLimits = {
  /** Bytes of one body that do not count, so that large bodies never keep out ordinary requests. */
  uncounted: 8 * 1024,
  /** Bytes of all bodies from one address. */
  perAddress: 16 * 1024 * 1024,
  /** Bytes of all bodies in this process. */
  perProcess: 64 * 1024 * 1024,
} as const;

/** Bytes of memory for each part, besides its own: a body may come in parts of one byte. */
const bytesPerPart = 256;

/** Seconds after which the client may try again. */
const retryAfterSeconds = 2;

/** Counts the bytes in receipt, by address and in all. */
export class ReceiptBudget {
  #total = 0;
  readonly #addresses = new Map<string, number>();

  /** Begins to receive one body. Asks for the address of its sender only if the body is large enough to count. */
  begin(addressOf: () => string | null): Receipt {
    let address: string | undefined;
    return new Receipt((bytes) => this.#add((address ??= addressOf() ?? ''), bytes));
  }

  #add(address: string, bytes: number): boolean {
    const ofAddress = (this.#addresses.get(address) ?? 0) + bytes;
    const fits = ofAddress <= receiptLimits.perAddress && this.#total + bytes <= receiptLimits.perProcess;
    if (bytes > 0 && !fits) return false;
    this.#total += bytes;
    if (ofAddress === 0) this.#addresses.delete(address);
    else this.#addresses.set(address, ofAddress);
    return true;
  }
}

/** The bytes of one body in receipt. */
export class Receipt {
  readonly #add: (bytes: number) => boolean;
  #size = 0;
  #counted = 0;

  constructor(add: (bytes: number) => boolean) {
    this.#add = add;
  }

  /** Counts a part. @throws RequestError UNAVAILABLE (503) if the budget is used up; the connection is then closed. */
  take(bytes: number): void {
    this.#size += bytes + bytesPerPart;
    const more = Math.max(0, this.#size - receiptLimits.uncounted) - this.#counted;
    if (more === 0) return;
    if (!this.#add(more)) {
      const headers = { 'retry-after': String(retryAfterSeconds), connection: 'close' };
      throw new RequestError('UNAVAILABLE', unavailable(retryAfterSeconds).text, { status: 503, headers });
    }
    this.#counted += more;
  }

  /** Ends the count: the body has come, or never will. */
  end(): void {
    if (this.#counted > 0) this.#add(-this.#counted);
    this.#counted = 0;
    this.#size = 0;
  }
}
