import { stat } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { demandPassword, hashPassword, verifyPassword } from '../../src/auth/passwords.ts';
import { Refusal } from '../../src/errors.ts';

function refusalOf(run: () => void): Refusal | undefined {
  try {
    run();
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
  return undefined;
}

describe('demandPassword', () => {
  it.each(['1234567', 'х'.repeat(201), 'Ivanova.Anna', 'Password1', 'ПАРОЛЬ123', '１２３４５６７８'])('refuses %s', (password) => {
    const refusal = refusalOf(() => demandPassword(password, 'ivanova.anna'));
    expect(refusal).toMatchObject({ code: 'INVALID', at: ['password'] });
    expect(refusal!.say('ru')).not.toBe(refusal!.say('en'));
  });

  it.each(['восемь88', 'х'.repeat(200), '🦊🦊🦊🦊🦊🦊🦊🦊'])('takes %s', (password) => {
    expect(refusalOf(() => demandPassword(password, 'ivanova.anna'))).toBeUndefined();
  });
});

describe('verifyPassword', () => {
  it('accepts the password in either Unicode normal form, and no other', async () => {
    const kept = await hashPassword('ёжик под ёлкой');
    expect(kept).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(await verifyPassword(kept, 'ёжик под ёлкой'.normalize('NFD'))).toBe(true);
    expect(await verifyPassword(kept, 'ежик под елкой')).toBe(false);
    expect(await verifyPassword(kept, 'ё'.repeat(1_000_000))).toBe(false);
  });

  it('takes the same time for an account that does not exist', async () => {
    const kept = await hashPassword('ёжик под ёлкой');
    await verifyPassword(null, 'warm');
    const times = { known: Infinity, unknown: Infinity };
    // The minimum of many runs is the time of the work itself, without other load of the machine.
    for (let i = 0; i < 15; i++)
      for (const [name, hash] of [
        ['known', kept],
        ['unknown', null],
      ] as const) {
        const begun = performance.now();
        expect(await verifyPassword(hash, 'не тот пароль')).toBe(false);
        times[name] = Math.min(times[name], performance.now() - begun);
      }
    expect(times.unknown / times.known).toBeGreaterThan(0.5);
    expect(times.unknown / times.known).toBeLessThan(2);
  });
});

describe('many concurrent password checks', () => {
  it('leave threads free for the rest of the server, and are refused past the queue', async () => {
    let hashed = 0;
    const storm = Array.from({ length: 300 }, () => hashPassword('пароль').then(() => (hashed += 1)));
    const settled = Promise.allSettled(storm);
    // `stat` uses the same thread pool as hashing, so it would wait if the hashes filled the pool.
    await stat('.');
    expect(hashed).toBeLessThan(50);
    const refused = (await settled).filter(({ status }) => status === 'rejected') as PromiseRejectedResult[];
    expect(refused).toHaveLength(98);
    for (const { reason } of refused) expect(reason).toMatchObject({ code: 'UNAVAILABLE' });
  });
});
