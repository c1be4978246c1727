import { createHash, hash, randomUUID } from 'node:crypto';
import { decodeJwt, errors, importJWK, jwtVerify, SignJWT, type JWTPayload } from 'jose';
import { serviceScopes, type ServiceScope } from '../policy/actor.ts';
import type { Config, TrustedIssuer } from '../config.ts';
import { isTransient } from '../db/availability.ts';
import type { Database } from '../db/client.ts';
import { Refusal } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { isUuid } from '../uuid.ts';
import { IssuerKeys } from './issuer-keys.ts';
import type { SigningKeys } from './keys.ts';

/**
 * The claims of a valid token; times are in seconds since 1970. src/auth/actors.ts checks in the database that the
 * session or the client has not ended.
 */
export type Credential =
  | { kind: 'user'; userId: string; sessionId: string; clientId: string; expiresAt: number }
  | { kind: 'service'; clientId: string; expiresAt: number; scopes: readonly ServiceScope[] };

export interface TokensParts {
  config: Config;
  db: Database;
  keys: SigningKeys;
  log: Logger;
}

interface TokenSession {
  userId: string;
  sessionId: string;
  clientId: string;
}

export const audienceOf = (config: Config): string => `${config.publicUrl}/graphql`;

/**
 * Accepted algorithms of outside issuers. With a symmetric algorithm the public key would be the secret, so anyone
 * could sign.
 */
const asymmetricAlgorithms = ['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519', 'PS256', 'PS384', 'PS512', 'RS256', 'RS384', 'RS512'];

/** Number of cached verified tokens; the oldest is removed first. */
const maxCachedTokens = 10_000;

/** Issues the server's access tokens. Verifies these tokens and those of trusted issuers. */
export class Tokens {
  readonly #config: Config;
  readonly #db: Database;
  readonly #keys: SigningKeys;
  readonly #log: Logger;
  readonly #audience: string;
  readonly #issuers: ReadonlyMap<string, { trusted: TrustedIssuer; keys: IssuerKeys }>;
  /**
   * Credentials of verified tokens, by the token's hash, so that the cache holds no tokens. Each request still checks
   * the session in the database.
   */
  readonly #verified = new Map<string, Credential>();

  constructor({ config, db, keys, log }: TokensParts) {
    this.#config = config;
    this.#db = db;
    this.#keys = keys;
    this.#log = log;
    this.#audience = audienceOf(config);
    this.#issuers = new Map(config.trustedIssuers.map((trusted) => [trusted.issuer, { trusted, keys: new IssuerKeys(trusted, log) }]));
  }

  /** Returns an access token of a session, like one of the authorization server. For the demonstration school and tests. */
  async issueAccessToken({ userId, sessionId, clientId }: TokenSession, seconds = this.#config.accessTokenSeconds): Promise<string> {
    const newest = this.#keys.jwks[0]!;
    return new SignJWT({ sid: sessionId, client_id: clientId })
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: newest.kid! })
      .setIssuer(this.#config.publicUrl)
      .setAudience(this.#audience)
      .setSubject(userId)
      .setJti(randomUUID())
      .setIssuedAt()
      .setExpirationTime(Math.floor(Date.now() / 1000) + seconds)
      .sign(await importJWK(newest, 'ES256'));
  }

  /**
   * Returns the token's credential, or undefined for an invalid token.
   * @throws UNAVAILABLE when the keys cannot be read now, from the database or from the issuer.
   */
  verifyAccessToken(token: string): Credential | undefined | Promise<Credential | undefined> {
    const digest = digestOf(token);
    return this.#findVerified(digest) ?? this.#verify(token, digest);
  }

  /**
   * Returns whether the token is invalid only because it has expired. Its client may then have a newer token.
   * @throws UNAVAILABLE as `verifyAccessToken` does.
   */
  async hasExpired(token: string): Promise<boolean> {
    try {
      await this.#check(token, digestOf(token));
      return false;
    } catch (error) {
      if (error instanceof Refusal || isTransient(error)) throw error;
      // jose checks the time last, after the signature and all other claims.
      return error instanceof errors.JWTExpired;
    }
  }

  #findVerified(digest: string): Credential | undefined {
    const known = this.#verified.get(digest);
    if (known !== undefined && known.expiresAt > Date.now() / 1000) return known;
    this.#verified.delete(digest);
    return undefined;
  }

  async #verify(token: string, digest: string): Promise<Credential | undefined> {
    try {
      return await this.#check(token, digest);
    } catch (error) {
      // The server could not read the key of the token or the session, so the token may be valid. The answer must not
      // be UNAUTHENTICATED, because a client would then sign its user out.
      if (error instanceof Refusal || isTransient(error)) throw error;
      const { code, name } = error as { code?: string; name?: string };
      this.#log.debug({ code: code ?? name }, 'a token was refused');
      return undefined;
    }
  }

  async #check(token: string, digest: string): Promise<Credential | undefined> {
    const { iss } = decodeJwt(token);
    if (iss === this.#config.publicUrl) return this.#verifyAndCache(token, digest);
    return iss === undefined ? undefined : this.#verifyOutside(token, iss);
  }

  async #verifyAndCache(token: string, digest: string): Promise<Credential | undefined> {
    const credential = await this.#verifyOwn(token);
    if (credential === undefined) return undefined;
    if (this.#verified.size >= maxCachedTokens) this.#verified.delete(this.#verified.keys().next().value!);
    this.#verified.set(digest, credential);
    return credential;
  }

  async #verifyOwn(token: string): Promise<Credential | undefined> {
    const { payload } = await jwtVerify(
      token,
      async ({ kid }) => {
        const key = kid === undefined ? undefined : await this.#keys.verifierOf(kid);
        if (key === undefined) throw new Error('unknown key');
        return key;
      },
      {
        issuer: this.#config.publicUrl,
        audience: this.#audience,
        algorithms: ['ES256'],
        typ: 'at+jwt',
        requiredClaims: ['exp', 'sub', 'client_id'],
      },
    );
    const { sub, sid, client_id: clientId, scope, exp } = payload;
    if (typeof clientId !== 'string' || exp === undefined || sub === undefined) return undefined;
    if (sid === undefined && sub === clientId) return { kind: 'service', clientId, expiresAt: exp, scopes: scopesOf(scope) };
    if (typeof sid !== 'string' || !isUuid(sid) || !isUuid(sub)) return undefined;
    return { kind: 'user', userId: sub, sessionId: sid, clientId, expiresAt: exp };
  }

  async #verifyOutside(token: string, issuer: string): Promise<Credential | undefined> {
    const known = this.#issuers.get(issuer);
    if (known === undefined) return undefined;
    const { payload } = await jwtVerify(token, known.keys.find, {
      issuer,
      audience: known.trusted.audience,
      algorithms: asymmetricAlgorithms,
      requiredClaims: ['exp', 'iat', 'sub'],
    });
    return outsideSession(this.#db, this.#config, known.trusted, payload);
  }
}

const digestOf = (token: string): string => hash('sha256', token, 'base64');

/**
 * Returns the scopes of a service's token. A token without `scope` gets all scopes; src/auth/actors.ts then limits them
 * to those of its client.
 */
function scopesOf(scope: unknown): ServiceScope[] {
  if (typeof scope !== 'string') return [...serviceScopes];
  const requested = scope.split(' ');
  return serviceScopes.filter((known) => requested.includes(known));
}

/**
 * Returns the credential of a person who signs in with an outside issuer. Creates a Session row, so that the session
 * can be listed and ended like any other session. After the session has ended, a token issued before its end stays
 * invalid; a token issued later starts a new session.
 */
async function outsideSession(
  db: Database,
  config: Config,
  { issuer }: TrustedIssuer,
  { sub, iat, exp }: JWTPayload,
): Promise<Credential | undefined> {
  const known = await db.prisma.userIdentity.findUnique({ where: { issuer_subject: { issuer, subject: sub! } } });
  if (known === null) return undefined;
  const { userId } = known;
  const grantPrefix = `outside:${createHash('sha256')
    .update(JSON.stringify([issuer, sub]))
    .digest('base64url')}`;
  const latest = await db.prisma.session.findFirst({
    where: { userId, clientId: issuer, grantId: { startsWith: `${grantPrefix}:` } },
    orderBy: { id: 'desc' },
  });
  const credential = (sessionId: string): Credential => ({ kind: 'user', userId, sessionId, clientId: issuer, expiresAt: exp! });
  const lifetime = config.sessionDays * 86_400_000;
  const endedAt = latest === null ? null : (latest.endedAt ?? (latest.expiresAt.getTime() <= Date.now() ? latest.expiresAt : null));
  if (latest !== null && endedAt === null) {
    if (latest.expiresAt.getTime() - Date.now() < lifetime / 2)
      await db.prisma.session.update({ where: { id: latest.id }, data: { expiresAt: new Date(Date.now() + lifetime) } });
    return credential(latest.id);
  }
  if (latest !== null && endedAt !== null && iat! * 1000 <= endedAt.getTime()) return credential(latest.id);
  // The grant id contains the id of the previous session, so that two simultaneous requests start one session.
  const grantId = `${grantPrefix}:${latest?.id ?? ''}`;
  const expiresAt = new Date(Date.now() + lifetime);
  await db.prisma.session.createMany({ data: [{ userId, clientId: issuer, grantId, expiresAt }], skipDuplicates: true });
  const started = await db.prisma.session.findUniqueOrThrow({ where: { grantId } });
  return credential(started.id);
}
