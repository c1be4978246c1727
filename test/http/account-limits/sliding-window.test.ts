import { describe, expect, it } from 'vitest';
import { SlidingWindow } from '../../../src/http/account-limits.ts';

describe('a sliding window', () => {
  it('never lets more than the limit through in any 60 seconds, also across minutes', () => {
    const window = new SlidingWindow();
    const passed: number[] = [];
    // 20 requests a second, 12 times the limit, from 10 s before the start of a minute until 130 s after it.
    for (let now = 1_800_000_000_000 - 10_000; now < 1_800_000_000_000 + 130_000; now += 50)
      if (window.waitFor(1, 100, now) === 0) {
        window.add(1, now);
        passed.push(now);
      }
    for (const begin of passed) expect(passed.filter((at) => at >= begin && at < begin + 60_000).length).toBeLessThanOrEqual(100);
    expect(passed.length).toBeGreaterThanOrEqual(200);
  });

  it('says how long to wait, and lets a later request through', () => {
    const window = new SlidingWindow();
    const now = 1_800_000_000_000;
    window.add(60, now);
    window.add(40, now + 20_000);
    expect(window.waitFor(0, 100, now + 21_000)).toBe(0);
    const wait = window.waitFor(50, 100, now + 21_000);
    expect(wait).toBeGreaterThan(38_000);
    expect(wait).toBeLessThanOrEqual(45_000);
    expect(window.waitFor(50, 100, now + 21_000 + wait)).toBe(0);
    expect(window.waitFor(100, 100, now + 200_000)).toBe(0);
  });
});
