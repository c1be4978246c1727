import { createHash } from 'node:crypto';
import { errors, type Adapter, type AdapterPayload, type ClientMetadata } from 'oidc-provider';
import type { Database } from '../db/client.ts';
import type { Tx } from '../db/transaction.ts';
import type { OauthClient } from '../db/generated/client.ts';
import { deriveSuccessor } from './seal.ts';

/**
 * Stores the data of the authorization server in the table oidc_payload. The id of a code, a cookie or a refresh token
 * is its secret value. The table has only the hashes of the ids, so a reader of the table cannot use them.
 */

const hashOf = (value: string): string => createHash('sha256').update(value).digest('base64url');

/**
 * Seconds in which a client may use a refresh token a second time. Two tabs may use it at once, or a response may get
 * lost. The client then gets the same successor (the next refresh token) again, unless the successor has been used.
 */
const graceSeconds = 10;

/**
 * Maximum number of seconds between `find` and `consume` of a refresh token in one request. If `find` accepted a used
 * token just before the end of `graceSeconds`, `consume` still accepts it for this time.
 */
const overlapSeconds = 30;

export interface AdapterParts {
  db: Database;
  secretKey: Uint8Array;
  /**
   * Called and awaited after a grant was revoked: because a person signed out, because a client revoked a token, or
   * because a code or refresh token was used twice.
   */
  ended(grantId: string): Promise<void>;
}

export function createAdapter(parts: AdapterParts): (model: string) => Adapter {
  return (model) => {
    if (model === 'Client') return new ClientReader(parts.db);
    return model === 'RefreshToken' ? new RefreshTokenStore(parts, model) : new PayloadStore(parts, model);
  };
}

class PayloadStore implements Adapter {
  readonly #db: Database;
  readonly #model: string;
  readonly #ended: AdapterParts['ended'];

  constructor({ db, ended }: AdapterParts, model: string) {
    this.#db = db;
    this.#model = model;
    this.#ended = ended;
  }

  async upsert(id: string, payload: AdapterPayload, expiresIn: number): Promise<void> {
    const idHash = hashOf(id);
    const text = serializeWithoutId(payload, id, idHash);
    // jsonb cannot hold U+0000, which a client may send in `state`, `nonce` and other parameters.
    if (escapedNull.test(text)) throw new errors.InvalidRequest('a parameter contains U+0000');
    const uidHash = payload.uid === undefined || payload.uid === id ? null : hashOf(payload.uid);
    const expiresAt = expiresIn ? new Date(Date.now() + expiresIn * 1000) : null;
    // One statement, because two requests of one browser may save its session at the same time.
    await this.#db.pool.query(
      `insert into oidc_payload (model, id_hash, payload, grant_id, uid_hash, expires_at) values ($1, $2, $3, $4, $5, $6)
       on conflict (model, id_hash) do update set
         payload = excluded.payload, grant_id = excluded.grant_id, uid_hash = excluded.uid_hash, expires_at = excluded.expires_at`,
      [this.#model, idHash, text, payload.grantId ?? null, uidHash, expiresAt],
    );
  }

  async find(id: string): Promise<AdapterPayload | undefined> {
    const idHash = hashOf(id);
    const row = await this.#db.prisma.oidcPayload.findFirst({ where: { model: this.#model, idHash, ...current() } });
    return row === null ? undefined : parseWithId(row, id, idHash);
  }

  async findByUid(uid: string): Promise<AdapterPayload | undefined> {
    const row = await this.#db.prisma.oidcPayload.findFirst({ where: { model: this.#model, uidHash: hashOf(uid), ...current() } });
    return row === null ? undefined : parseWithId(row, row.idHash, row.idHash);
  }

  findByUserCode(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  /** Marks a code or a refresh token as used. A second use, even a simultaneous one, revokes the grant. */
  async consume(id: string): Promise<void> {
    const key = { model: this.#model, idHash: hashOf(id) };
    if (await this.consumeOnce(key.idHash)) return;
    const row = await this.#db.prisma.oidcPayload.findUnique({ where: { model_idHash: key }, select: { grantId: true } });
    if (row?.grantId) {
      await deleteGrants(this.#db, [row.grantId]);
      await this.#ended(row.grantId);
    }
    throw new errors.InvalidGrant('already used');
  }

  /**
   * Marks the payload as used, with the database's time, which all processes share. Returns false if it was used
   * before.
   */
  protected async consumeOnce(idHash: string): Promise<boolean> {
    const text = 'update oidc_payload set consumed_at = now() where model = $1 and id_hash = $2 and consumed_at is null';
    return (await this.#db.pool.query(text, [this.#model, idHash])).rowCount === 1;
  }

  async destroy(id: string): Promise<void> {
    await this.#db.prisma.oidcPayload.deleteMany({ where: { model: this.#model, idHash: hashOf(id) } });
    if (this.#model === 'Grant') await this.#ended(id);
  }

  async revokeByGrantId(grantId: string): Promise<void> {
    await this.#db.prisma.oidcPayload.deleteMany({ where: { model: this.#model, grantId } });
  }
}

/** Stores refresh tokens. A client may use a token again within `graceSeconds`, and then gets the same successor. */
class RefreshTokenStore extends PayloadStore {
  readonly #db: Database;
  readonly #secretKey: Uint8Array;

  constructor(parts: AdapterParts, model: string) {
    super(parts, model);
    this.#db = parts.db;
    this.#secretKey = parts.secretKey;
  }

  /** Returns the token. Hides that the token was used, as long as the client may use it again. */
  override async find(id: string): Promise<AdapterPayload | undefined> {
    const payload = await super.find(id);
    if (payload?.consumed === undefined || !(await this.#mayBeUsedAgain(id, graceSeconds))) return payload;
    return { ...payload, consumed: undefined };
  }

  /** Also accepts a token that a simultaneous request has used since `find`. */
  override async consume(id: string): Promise<void> {
    if ((await this.consumeOnce(hashOf(id))) || (await this.#mayBeUsedAgain(id, graceSeconds + overlapSeconds))) return;
    return super.consume(id);
  }

  async #mayBeUsedAgain(id: string, seconds: number): Promise<boolean> {
    const { rowCount } = await this.#db.pool.query(
      `select 1 from oidc_payload p
       where p.model = 'RefreshToken' and p.id_hash = $1 and p.consumed_at > now() - $2 * interval '1 second'
         and not exists (select 1 from oidc_payload s where s.model = 'RefreshToken' and s.id_hash = $3 and s.consumed_at is not null)`,
      [hashOf(id), seconds, hashOf(deriveSuccessor(this.#secretKey, id))],
    );
    return rowCount === 1;
  }
}

/** Matches U+0000 in JSON, but not the escaped text `\\u0000`, whose backslash is doubled. */
const escapedNull = /(?<!\\)(?:\\\\)*\\u0000/;

const current = () => ({ OR: [{ expiresAt: null }, { expiresAt: { gt: new Date() } }] });

/** Returns the payload as JSON. Replaces the id by its hash, and omits the cookie value of a session. */
function serializeWithoutId(payload: AdapterPayload, id: string, idHash: string): string {
  const { session, ...rest } = payload as AdapterPayload & { session?: Record<string, unknown> };
  const stored = session === undefined ? rest : { ...rest, session: { ...session, cookie: undefined } };
  return JSON.stringify(stored).replaceAll(id, idHash);
}

/** Returns the payload with the hash replaced by the id, which the caller has just presented. */
function parseWithId(row: { payload: unknown; consumedAt: Date | null }, id: string, idHash: string): AdapterPayload {
  const payload = JSON.parse(JSON.stringify(row.payload).replaceAll(idHash, id)) as AdapterPayload;
  return row.consumedAt === null ? payload : { ...payload, consumed: Math.floor(row.consumedAt.getTime() / 1000) };
}

/** Deletes grants with all of their codes and refresh tokens, within a transaction. */
export async function deleteGrants(tx: Pick<Tx, 'prisma'>, grantIds: readonly string[]): Promise<void> {
  await tx.prisma.oidcPayload.deleteMany({
    where: { OR: [{ grantId: { in: [...grantIds] } }, { model: 'Grant', idHash: { in: grantIds.map(hashOf) } }] },
  });
}

/**
 * Deletes a person's unfinished sign-ins: those that have passed the sign-in form but have no session yet. Call it in
 * the transaction that changes the password, because these sign-ins used the former password.
 */
export async function deletePendingSignIns(tx: Pick<Tx, 'execute'>, accountId: string): Promise<void> {
  await tx.execute("delete from oidc_payload where model = 'Interaction' and payload #>> '{result,login,accountId}' = $1", [accountId]);
}

/** Deletes expired payloads, for a job. Returns the number of rows. */
export async function deleteExpired(db: Database): Promise<number> {
  return (await db.prisma.oidcPayload.deleteMany({ where: { expiresAt: { lt: new Date() } } })).count;
}

/** Reads clients from oauth_client. The authorization server does not write them. */
class ClientReader implements Adapter {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async find(id: string): Promise<AdapterPayload | undefined> {
    // PostgreSQL refuses text with U+0000. No client id contains this character.
    if (id.includes('\0')) return undefined;
    const client = await this.#db.prisma.oauthClient.findFirst({ where: { id, endedAt: null } });
    if (client === null) return undefined;
    return client.secretHash === null ? frontend(client) : service(client, client.secretHash);
  }

  upsert = readOnly;
  findByUid = readOnly;
  findByUserCode = readOnly;
  consume = readOnly;
  destroy = readOnly;
  revokeByGrantId = readOnly;
}

const readOnly = (): Promise<never> => Promise.reject(new Error('clients are created by createClient'));

/**
 * Returns the metadata of a frontend for oidc-provider: a public client that uses the authorization code with PKCE. After
 * signing out, the client may redirect to its redirect URIs and to the root of their hosts.
 */
export function frontend({ id, name, redirectUris }: Pick<OauthClient, 'id' | 'name' | 'redirectUris'>): ClientMetadata {
  const web = redirectUris.filter((uri) => /^https?:/.test(uri));
  return {
    client_id: id,
    client_name: name,
    application_type: applicationType(redirectUris),
    redirect_uris: redirectUris,
    post_logout_redirect_uris: [...new Set([...redirectUris, ...web.map((uri) => `${new URL(uri).origin}/`)])],
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    scope: 'openid profile offline_access',
  };
}

/**
 * Returns the type of a client for oidc-provider, which accepts any port of a loopback host from `native` clients
 * (RFC 8252, 7.3). Returns `web` if all redirect URIs are https. Also returns `web` if one of them is https on a loopback
 * host or http on any other host, because oidc-provider refuses such URIs for `native` clients. Otherwise returns
 * `native`: a redirect URI has an app's own scheme, or is http on a loopback host.
 */
function applicationType(redirectUris: readonly string[]): 'web' | 'native' {
  const urls = redirectUris.map((uri) => new URL(uri));
  if (urls.every(({ protocol }) => protocol === 'https:')) return 'web';
  return urls.some((url) => url.protocol === (isLoopback(url) ? 'https:' : 'http:')) ? 'web' : 'native';
}

export const isLoopback = ({ hostname }: URL): boolean => ['localhost', '127.0.0.1', '[::1]'].includes(hostname);

/**
 * Returns a confidential client. Its `client_secret` is the hash of the secret; src/auth/provider.ts compares hashes.
 */
function service({ id, name, scopes }: OauthClient, secretHash: Uint8Array): ClientMetadata {
  return {
    client_id: id,
    client_name: name,
    client_secret: Buffer.from(secretHash).toString('base64url'),
    token_endpoint_auth_method: 'client_secret_basic',
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    scope: scopes.join(' '),
  };
}
