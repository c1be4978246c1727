import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadSigningKeys, rotateSigningKey } from '../../src/auth/keys.ts';
import { Tokens } from '../../src/auth/tokens.ts';
import { ConfigError, readConfig } from '../../src/config.ts';
import type { Database } from '../../src/db/client.ts';
import { createLogger } from '../../src/logger.ts';
import { openTestDatabase } from '../support/database.ts';

let db: Database;
beforeAll(async () => void (db = await openTestDatabase()));
afterAll(() => db.close());

const config = readConfig({ SECRET_KEY: 'a secret of thirty-two bytes for tests' });
const log = createLogger('silent');
const of = { userId: '01a20ae1-0f2b-7508-868f-ccbc6197e398', sessionId: '01a20ae1-0f79-718f-914a-7b0bde828669', clientId: 'tests' };

describe('loadSigningKeys', () => {
  it('creates one key, also when several processes start together', async () => {
    const all = await Promise.all(Array.from({ length: 5 }, () => loadSigningKeys(db, config)));
    expect(new Set(all.flatMap(({ jwks }) => jwks.map(({ kid }) => kid))).size).toBe(1);
    expect(await db.prisma.signingKey.count()).toBe(1);
  });

  it('stores the private key sealed', async () => {
    const { jwks } = await loadSigningKeys(db, config);
    const [row] = await db.prisma.signingKey.findMany();
    expect(row!.id).toBe(jwks[0]!.kid);
    expect(Buffer.from(row!.sealed).toString('latin1')).not.toContain(jwks[0]!.d);
    expect(Buffer.from(row!.sealed).toString('latin1')).not.toContain('"d"');
  });

  it('reports in one line that the secret has changed', async () => {
    await loadSigningKeys(db, config);
    const other = readConfig({ SECRET_KEY: 'another secret of thirty-two bytes' });
    const failure = await loadSigningKeys(db, other).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ConfigError);
    expect((failure as Error).message).toMatch(/^SECRET_KEY [^\n]*$/);
    await expect(rotateSigningKey(db, other)).rejects.toBeInstanceOf(ConfigError);
  });
});

describe('rotateSigningKey', () => {
  it('signs with the new key; tokens of both keys are accepted, also by a running server', async () => {
    const before = await loadSigningKeys(db, config);
    const running = new Tokens({ config, db, keys: before, log });
    const old = await running.issueAccessToken(of);
    await rotateSigningKey(db, config);
    const after = await loadSigningKeys(db, config);
    expect(after.jwks.map(({ kid }) => kid)).toEqual([
      expect.not.stringMatching(before.jwks[0]!.kid!),
      ...before.jwks.map(({ kid }) => kid),
    ]);
    const restarted = new Tokens({ config, db, keys: after, log });
    expect(await restarted.verifyAccessToken(old)).toMatchObject(of);
    expect(await running.verifyAccessToken(await restarted.issueAccessToken(of))).toMatchObject(of);
  });
});
