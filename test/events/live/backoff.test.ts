import { describe, expect, it } from 'vitest';
import { NoAnswer } from '../../../src/db/availability.ts';
import { retry } from '../../../src/events/live/backoff.ts';

describe('retries', () => {
  const failingFor = (ms: number, error: Error) => {
    const until = performance.now() + ms;
    return async () => {
      if (performance.now() < until) throw error;
      return 'answered';
    };
  };

  it('continue as long as the database does not respond', async () => {
    await expect(retry(failingFor(7000, new NoAnswer('silent')), new AbortController().signal)).resolves.toBe('answered');
  });

  it('end after some attempts for other failures', async () => {
    await expect(retry(failingFor(20_000, new Error('broken')), new AbortController().signal)).rejects.toThrow('broken');
  });

  it('end when no subscriber waits any more', async () => {
    const stop = new AbortController();
    const trying = retry(failingFor(60_000, new NoAnswer('silent')), stop.signal);
    setTimeout(() => stop.abort(), 300);
    await expect(trying).rejects.toThrow('silent');
  });
});
