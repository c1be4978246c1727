import { unavailable } from '../errors.ts';
import { RequestError } from './errors.ts';

/** Limits the memory for bodies that are being received, before their senders are authenticated. */

export const receiptLimits = {
  /** Bytes of each body that are not counted, so that large bodies never block ordinary requests. */
  uncounted: 8 * 1024,
  perAddress: 16 * 1024 * 1024,
  perProcess: 64 * 1024 * 1024,
} as const;

/** Overhead in bytes of each part: a body may arrive in parts of one byte. */
const bytesPerPart = 256;

const retryAfterSeconds = 2;

/** Counts the bytes being received, per address and in total. */
export class ReceiptBudget {
  #total = 0;
  readonly #addresses = new Map<string, number>();

  /** Starts counting one body. Calls `addressOf` only if the body is large enough to be counted. */
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

export class Receipt {
  readonly #add: (bytes: number) => boolean;
  #size = 0;
  #counted = 0;

  constructor(add: (bytes: number) => boolean) {
    this.#add = add;
  }

  /**
   * Counts a part.
   * @throws RequestError UNAVAILABLE (503) if the budget is used up; the response closes the connection.
   */
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

  /** Returns the counted bytes to the budget, once the body is complete or abandoned. */
  end(): void {
    if (this.#counted > 0) this.#add(-this.#counted);
    this.#counted = 0;
    this.#size = 0;
  }
}
