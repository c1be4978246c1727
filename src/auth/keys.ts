import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type CryptoKey, type JWK } from 'jose';
import type { Config } from '../config.ts';
import { ConfigError } from '../config.ts';
import type { Database } from '../db/client.ts';
import { transaction, type Tx } from '../db/transaction.ts';
import { open, seal } from './seal.ts';

/**
 * The keys that sign tokens (ES256). The database has the private keys, encrypted with a key derived from SECRET_KEY.
 */
export class SigningKeys {
  /** Private JWKs, the newest first. The first one signs; all of them verify. */
  readonly jwks: readonly JWK[];
  readonly #db: Database;
  readonly #config: Config;
  readonly #verifiers = new Map<string, CryptoKey>();
  #reloadedAt = 0;
  #reloading: Promise<void> | undefined;

  constructor(db: Database, config: Config, jwks: readonly JWK[]) {
    this.#db = db;
    this.#config = config;
    this.jwks = jwks;
  }

  /**
   * Returns the public key with this id. If the id is unknown, reads the keys again, because another process may have
   * created the key. Reads them at most once in `reloadIntervalMs`.
   */
  async verifierOf(kid: string): Promise<CryptoKey | undefined> {
    if (!this.#verifiers.has(kid) && Date.now() - this.#reloadedAt > reloadIntervalMs)
      await (this.#reloading ??= this.#reload().finally(() => (this.#reloading = undefined)));
    return this.#verifiers.get(kid);
  }

  /** Adds the public halves of new keys. */
  async add(jwks: readonly JWK[]): Promise<void> {
    for (const jwk of jwks)
      if (!this.#verifiers.has(jwk.kid!)) this.#verifiers.set(jwk.kid!, (await importJWK(publicJwk(jwk), 'ES256')) as CryptoKey);
  }

  async #reload(): Promise<void> {
    await this.add(await readKeys(this.#db, this.#config));
    // Set only after a successful read. After a failed read, the next token reads the keys again.
    this.#reloadedAt = Date.now();
  }
}

const lockName = 'signing keys';
/** Milliseconds after a read of the keys in which an unknown key id does not cause another read. */
const reloadIntervalMs = 10_000;

async function createKey(tx: Tx, config: Config): Promise<void> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  const jwk = await exportJWK(privateKey);
  const kid = await calculateJwkThumbprint(jwk);
  const clear = Buffer.from(JSON.stringify({ ...jwk, kid, alg: 'ES256', use: 'sig' }));
  await tx.prisma.signingKey.create({ data: { id: kid, sealed: seal(config.secretKey, kid, clear) } });
}

async function readKeys(db: Pick<Tx, 'prisma'>, config: Config): Promise<JWK[]> {
  const rows = await db.prisma.signingKey.findMany({ orderBy: [{ createdAt: 'desc' }, { id: 'asc' }] });
  return rows.map(({ id, sealed }) => {
    try {
      return JSON.parse(open(config.secretKey, id, sealed).toString()) as JWK;
    } catch {
      throw new ConfigError('SECRET_KEY is not the one that encrypted the signing keys in this database: start with the former one.');
    }
  });
}

const publicJwk = ({ kty, crv, x, y }: JWK): JWK => ({ kty, crv, x, y });

/**
 * Loads the signing keys; creates the first key on the first start. Two processes that start together share one key.
 * @throws ConfigError when SECRET_KEY does not decrypt the keys.
 */
export async function loadSigningKeys(db: Database, config: Config): Promise<SigningKeys> {
  const jwks = await transaction(db, async (tx) => {
    await tx.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [lockName]);
    const known = await readKeys(tx, config);
    if (known.length > 0) return known;
    await createKey(tx, config);
    return readKeys(tx, config);
  });
  const keys = new SigningKeys(db, config, jwks);
  await keys.add(jwks);
  return keys;
}

/**
 * Creates a new key. Running servers accept the new key; servers that start later also sign with it. The former keys
 * stay, so that tokens signed with them are still accepted.
 */
export async function rotateSigningKey(db: Database, config: Config): Promise<void> {
  await transaction(db, async (tx) => {
    await tx.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [lockName]);
    await readKeys(tx, config);
    await createKey(tx, config);
  });
}
