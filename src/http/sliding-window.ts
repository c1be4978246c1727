const slotMs = 5000;
/** Number of slots that any 60 seconds overlap: twelve whole slots and a part of another. */
const slotCount = 13;

/** Sums amounts over the last 60 seconds, in slots of 5 seconds, so that no 60 seconds exceed the limit. */
export class SlidingWindow {
  #sum = 0;
  readonly #slots = new Float64Array(slotCount);
  /** The number of the newest slot, counted from 1970. */
  #newest = 0;

  /** Adds an amount, rounded up so that the sum of an expired window is exactly 0. */
  add(amount: number, now: number): void {
    this.#advance(now);
    const whole = Math.ceil(amount);
    this.#slots[this.#newest % slotCount]! += whole;
    this.#sum += whole;
  }

  /** Returns the milliseconds until `amount` more fits below the limit; 0 if it fits now. */
  waitFor(amount: number, limit: number, now: number): number {
    this.#advance(now);
    let excess = this.#sum + amount - limit;
    if (excess <= 0) return 0;
    for (let slot = this.#newest - slotCount + 1; slot < this.#newest; slot += 1) {
      excess -= this.#slots[slot % slotCount]!;
      if (excess <= 0) return (slot + slotCount) * slotMs - now;
    }
    return slotCount * slotMs;
  }

  #advance(now: number): void {
    const slot = Math.floor(now / slotMs);
    if (slot <= this.#newest) return;
    for (let cleared = Math.max(this.#newest + 1, slot - slotCount + 1); cleared <= slot; cleared += 1) {
      this.#sum -= this.#slots[cleared % slotCount]!;
      this.#slots[cleared % slotCount] = 0;
    }
    this.#newest = slot;
  }
}
