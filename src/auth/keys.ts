import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type CryptoKey, type JWK } from 'jose';
import type { Config } from '../config.ts';
import { ConfigError } from '../config.ts';
import type { Database } from '../db/client.ts';
import { transaction, type Tx } from '../db/transaction.ts';
import { open, seal } from './seal.ts';

/** The keys that sign tokens (ES256). The private halves stand in the database, sealed under the server's secret. */
export interface SigningKeys {
  /** Private JWKs, the newest first: the first signs, all of them verify. */
  readonly jwks: readonly JWK[];
  /** The public half of a key, or undefined. Asks the database once in a while for keys that another process made. */
  verifierOf(kid: string): Promise<CryptoKey | undefined>;
}

const lockName = 'signing keys';
/** Unknown key ids make the server look for new keys at most this often, in milliseconds. */
const lookAgainAfter = 10_000;

async function makeKey(tx: Tx, config: Config): Promise<void> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  const jwk = await exportJWK(privateKey);
  const kid = await calculateJwkThumbprint(jwk);
  const clear = Buffer.from(JSON.stringify({ ...jwk, kid, alg: 'ES256', use: 'sig' }));
  await tx.signingKey.create({ data: { id: kid, sealed: seal(config.secretKey, kid, clear) } });
}

async function readKeys(db: Pick<Tx, 'signingKey'>, config: Config): Promise<JWK[]> {
  const rows = await db.signingKey.findMany({ orderBy: [{ createdAt: 'desc' }, { id: 'asc' }] });
  return rows.map(({ id, sealed }) => {
    try {
      return JSON.parse(open(config.secretKey, id, sealed).toString()) as JWK;
    } catch {
      throw new ConfigError('SECRET_KEY is not the one that sealed the signing keys in this database; start with the former one.');
    }
  });
}

const publicHalf = ({ kty, crv, x, y }: JWK): JWK => ({ kty, crv, x, y });

/**
 * The signing keys, made on the first start. Two processes that start together end up with one key.
 * @throws ConfigError when SECRET_KEY does not open them.
 */
export async function loadSigningKeys(db: Database, config: Config): Promise<SigningKeys> {
  const jwks = await transaction(db, async (tx) => {
    await tx.$executeRaw`select pg_advisory_xact_lock(hashtextextended(${lockName}, 0))`;
    const known = await readKeys(tx, config);
    if (known.length > 0) return known;
    await makeKey(tx, config);
    return readKeys(tx, config);
  });
  const verifiers = new Map<string, CryptoKey>();
  const add = async (keys: readonly JWK[]) => {
    for (const jwk of keys)
      if (!verifiers.has(jwk.kid!)) verifiers.set(jwk.kid!, (await importJWK(publicHalf(jwk), 'ES256')) as CryptoKey);
  };
  await add(jwks);
  let lookedAt = 0;
  let looking: Promise<void> | undefined;
  const look = async (): Promise<void> => {
    await add(await readKeys(db.prisma, config));
    // A failed read does not count: the next token reads the keys again.
    lookedAt = Date.now();
  };
  return {
    jwks,
    async verifierOf(kid) {
      if (!verifiers.has(kid) && Date.now() - lookedAt > lookAgainAfter) await (looking ??= look().finally(() => (looking = undefined)));
      return verifiers.get(kid);
    },
  };
}

/**
 * Makes a new key. A server started after this signs with it; the former keys stay, so that what they signed is
 * still accepted, and running servers accept the new one.
 */
export async function rotateSigningKey(db: Database, config: Config): Promise<void> {
  await transaction(db, async (tx) => {
    await tx.$executeRaw`select pg_advisory_xact_lock(hashtextextended(${lockName}, 0))`;
    await readKeys(tx, config);
    await makeKey(tx, config);
  });
}
