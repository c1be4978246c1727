import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { deriveCode, fingerprint, hashCode, keyFor, open, seal } from '../../src/auth/seal.ts';

const secret = randomBytes(32);
const clear = Buffer.from('a private key');

describe('seal', () => {
  it('opens with the same secret and name, and never produces the same output twice', () => {
    const sealed = seal(secret, 'one', clear);
    expect(open(secret, 'one', sealed)).toEqual(clear);
    expect(Buffer.from(seal(secret, 'one', clear)).equals(sealed)).toBe(false);
  });

  it('does not open with another secret or name, or with a changed bit', () => {
    const sealed = seal(secret, 'one', clear);
    expect(() => open(randomBytes(32), 'one', sealed)).toThrow();
    expect(() => open(secret, 'two', sealed)).toThrow();
    for (const at of [0, 12, 28, sealed.length - 1]) {
      const changed = sealed.slice();
      changed[at]! ^= 1;
      expect(() => open(secret, 'one', changed)).toThrow();
    }
  });
});

describe('keys', () => {
  it('differ by purpose and by secret', () => {
    const keys = [keyFor(secret, 'a'), keyFor(secret, 'b'), keyFor(randomBytes(32), 'a')].map((key) => key.toString('hex'));
    expect(new Set(keys).size).toBe(3);
  });
});

describe('fingerprint', () => {
  it('is equal for equal texts only, and cannot be computed without the secret', () => {
    expect(fingerprint(secret, 'address', '10.0.0.1')).toBe(fingerprint(secret, 'address', '10.0.0.1'));
    const all = [
      fingerprint(secret, 'address', '10.0.0.1'),
      fingerprint(secret, 'address', '10.0.0.2'),
      fingerprint(secret, 'name', '10.0.0.1'),
      fingerprint(randomBytes(32), 'address', '10.0.0.1'),
    ];
    expect(new Set(all).size).toBe(4);
  });
});

describe('deriveCode', () => {
  it('returns the same 160 bits for a nonce, and different ones with another secret', () => {
    const nonce = randomBytes(16);
    const code = deriveCode(secret, nonce);
    expect(Buffer.from(code, 'base64url')).toHaveLength(20);
    expect(deriveCode(secret, nonce)).toBe(code);
    expect(deriveCode(randomBytes(32), nonce)).not.toBe(code);
    expect(hashCode(code)).toHaveLength(32);
  });
});
