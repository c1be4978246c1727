import { createHash, hash, randomUUID } from 'node:crypto';
import { decodeJwt, errors, importJWK, jwtVerify, SignJWT, type JWTPayload } from 'jose';
import { serviceScopes, type ServiceScope } from '../policy/actor.ts';
import type { Config, TrustedIssuer } from '../config.ts';
import { isTransient } from '../db/availability.ts';
import type { Database } from '../db/client.ts';
import { Refusal } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { IssuerKeys } from './issuer-keys.ts';
import type { SigningKeys } from './keys.ts';

/** What a valid token says. Whether it still counts, the database says: src/auth/actors.ts. Times in seconds since 1970. */
export type Credential =
  | { kind: 'user'; userId: string; sessionId: string; clientId: string; expiresAt: number }
  | { kind: 'service'; clientId: string; expiresAt: number; scopes: readonly ServiceScope[] };

export interface Tokens {
  /** A token of a session, as the authorization server would give it; for the command line, the demonstration and tests. */
  issueAccessToken(of: { userId: string; sessionId: string; clientId: string }, seconds?: number): Promise<string>;
  /**
   * Returns the token's credential, or undefined for a token that this server does not accept.
   * @throws UNAVAILABLE when its keys cannot be read now, from the database or from their issuer.
   */
  verifyAccessToken(token: string): Credential | undefined | Promise<Credential | undefined>;
  /**
   * Returns whether the token is valid except that it has expired, so that its client may have a newer one.
   * @throws UNAVAILABLE as `verifyAccessToken` does.
   */
  hasExpired(token: string): Promise<boolean>;
}

/** Whom a token of this server is for: the one resource there is. */
export const audienceOf = (config: Config): string => `${config.publicUrl}/graphql`;

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
/** Of outside issuers. Never a symmetric one: its key would be the public key that everybody has. */
const asymmetric = ['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519', 'PS256', 'PS384', 'PS512', 'RS256', 'RS384', 'RS512'];

/** Tokens remembered as verified, the oldest forgotten first. */
const mostRemembered = 10_000;

export function createTokens({ config, db, keys, log }: { config: Config; db: Database; keys: SigningKeys; log: Logger }): Tokens {
  const audience = audienceOf(config);
  const outside = new Map(
    config.trustedIssuers.map((trusted) => [trusted.issuer, { trusted, keys: new IssuerKeys(trusted, log) }]),
  );

  async function verifyOwn(token: string): Promise<Credential | undefined> {
    const { payload } = await jwtVerify(
      token,
      async ({ kid }) => {
        const key = kid === undefined ? undefined : await keys.verifierOf(kid);
        if (key === undefined) throw new Error('unknown key');
        return key;
      },
      { issuer: config.publicUrl, audience, algorithms: ['ES256'], typ: 'at+jwt', requiredClaims: ['exp', 'sub', 'client_id'] },
    );
    const { sub, sid, client_id: clientId, scope, exp } = payload;
    if (typeof clientId !== 'string' || exp === undefined || sub === undefined) return undefined;
    if (sid === undefined && sub === clientId) return { kind: 'service', clientId, expiresAt: exp, scopes: scopesOf(scope) };
    if (typeof sid !== 'string' || !uuid.test(sid) || !uuid.test(sub)) return undefined;
    return { kind: 'user', userId: sub, sessionId: sid, clientId, expiresAt: exp };
  }

  // By their hash, so that no credential is kept. Whether its session still counts is asked of the database every time.
  const remembered = new Map<string, Credential>();

  function recall(digest: string): Credential | undefined {
    const known = remembered.get(digest);
    if (known !== undefined && known.expiresAt > Date.now() / 1000) return known;
    remembered.delete(digest);
    return undefined;
  }

  async function verifyOwnOnce(token: string, digest: string): Promise<Credential | undefined> {
    const credential = await verifyOwn(token);
    if (credential === undefined) return undefined;
    if (remembered.size >= mostRemembered) remembered.delete(remembered.keys().next().value!);
    remembered.set(digest, credential);
    return credential;
  }

  async function verifyOutside(token: string, issuer: string): Promise<Credential | undefined> {
    const known = outside.get(issuer);
    if (known === undefined) return undefined;
    const { payload } = await jwtVerify(token, known.keys.find, {
      issuer,
      audience: known.trusted.audience,
      algorithms: asymmetric,
      requiredClaims: ['exp', 'iat', 'sub'],
    });
    return outsideSession(db, config, known.trusted, payload);
  }

  async function check(token: string, digest: string): Promise<Credential | undefined> {
    const { iss } = decodeJwt(token);
    if (iss === config.publicUrl) return verifyOwnOnce(token, digest);
    return iss === undefined ? undefined : verifyOutside(token, iss);
  }

  async function verify(token: string, digest: string): Promise<Credential | undefined> {
    try {
      return await check(token, digest);
    } catch (error) {
      // Not the token's fault: after UNAUTHENTICATED a client would sign its user out.
      if (error instanceof Refusal || isTransient(error)) throw error;
      const { code, name } = error as { code?: string; name?: string };
      log.debug({ code: code ?? name }, 'a token was refused');
      return undefined;
    }
  }

  return {
    async issueAccessToken({ userId, sessionId, clientId }, seconds = config.accessTokenSeconds) {
      const newest = keys.jwks[0]!;
      return new SignJWT({ sid: sessionId, client_id: clientId })
        .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: newest.kid! })
        .setIssuer(config.publicUrl)
        .setAudience(audience)
        .setSubject(userId)
        .setJti(randomUUID())
        .setIssuedAt()
        .setExpirationTime(Math.floor(Date.now() / 1000) + seconds)
        .sign(await importJWK(newest, 'ES256'));
    },
    verifyAccessToken(token) {
      const digest = hash('sha256', token, 'base64');
      return recall(digest) ?? verify(token, digest);
    },
    async hasExpired(token) {
      try {
        await check(token, hash('sha256', token, 'base64'));
        return false;
      } catch (error) {
        if (error instanceof Refusal || isTransient(error)) throw error;
        // jose checks the time last, after the signature and all other claims.
        return error instanceof errors.JWTExpired;
      }
    },
  };
}

/** A service that asked for no scope in particular is given what its client has (RFC 6749, 3.3). */
function scopesOf(scope: unknown): ServiceScope[] {
  if (typeof scope !== 'string') return [...serviceScopes];
  const named = scope.split(' ');
  return serviceScopes.filter((known) => named.includes(known));
}

/**
 * The session of a person known by an outside issuer, so that it can be listed and ended like any other. A token made
 * before its session was ended stays ended; one made after begins a new session.
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
  const name = `outside:${createHash('sha256').update(JSON.stringify([issuer, sub])).digest('base64url')}`;
  const latest = await db.prisma.session.findFirst({
    where: { userId, clientId: issuer, grantId: { startsWith: `${name}:` } },
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
  // Named after the session before it, so that two requests at one moment begin one session between them.
  const grantId = `${name}:${latest?.id ?? ''}`;
  const expiresAt = new Date(Date.now() + lifetime);
  await db.prisma.session.createMany({ data: [{ userId, clientId: issuer, grantId, expiresAt }], skipDuplicates: true });
  const begun = await db.prisma.session.findUniqueOrThrow({ where: { grantId } });
  return credential(begun.id);
}
