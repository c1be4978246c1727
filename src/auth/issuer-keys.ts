import { createLocalJWKSet, createRemoteJWKSet, errors, type JWTVerifyGetKey } from 'jose';
import type { TrustedIssuer } from '../config.ts';
import { unavailable } from '../errors.ts';
import type { Logger } from '../logger.ts';

/** Milliseconds after a failed fetch in which the keys are not fetched again. */
const pauseMs = 10_000;

/**
 * Finds the key of a token among the published keys of its issuer. jose fetches the keys again when they are ten
 * minutes old, or when a token has an unknown key id. While the issuer does not answer, the keys of the last fetch
 * verify tokens, and one request in every `pauseMs` tries to fetch the keys.
 */
export class IssuerKeys {
  readonly #issuer: string;
  readonly #log: Logger;
  readonly #published: ReturnType<typeof createRemoteJWKSet>;
  /** The keys of the last successful fetch, stored when a later fetch fails. Undefined if no fetch has succeeded before. */
  #last: JWTVerifyGetKey | undefined;
  /** When the keys may be fetched again, in milliseconds since 1970; 0 if the last fetch succeeded. */
  #pausedUntil = 0;
  #failures = 0;

  constructor({ issuer, jwksUri }: TrustedIssuer, log: Logger) {
    this.#issuer = issuer;
    this.#log = log;
    this.#published = createRemoteJWKSet(new URL(jwksUri));
  }

  /**
   * Returns the key that verifies a token, for jose's `jwtVerify`.
   * @throws UNAVAILABLE when the issuer does not answer and its last keys do not have the token's key.
   */
  readonly find: JWTVerifyGetKey = async (header, token) => {
    const now = Date.now();
    if (now < this.#pausedUntil) return this.#findInLast(header, token);
    // After a failure, only this request fetches the keys again. Other requests use the last keys meanwhile.
    if (this.#pausedUntil > 0) this.#pausedUntil = now + pauseMs;
    const failures = this.#failures;
    try {
      const key = await this.#published(header, token);
      this.#pausedUntil = 0;
      return key;
    } catch (error) {
      if (isTokenError(error)) {
        this.#pausedUntil = 0;
        throw error;
      }
      // Several requests may have waited for the same fetch. Only the first of them records the failure.
      if (failures === this.#failures) this.#pause(error);
      return this.#findInLast(header, token);
    }
  };

  #pause(error: unknown): void {
    this.#failures += 1;
    this.#pausedUntil = Date.now() + pauseMs;
    const known = this.#published.jwks();
    this.#last = known && createLocalJWKSet(known);
    this.#log.warn({ err: error, issuer: this.#issuer }, 'the keys of a trusted issuer cannot be fetched');
  }

  async #findInLast(...[header, token]: Parameters<JWTVerifyGetKey>): Promise<Awaited<ReturnType<JWTVerifyGetKey>>> {
    if (this.#last === undefined) throw unavailable();
    try {
      return await this.#last(header, token);
    } catch (error) {
      // The issuer may have published this key after the last fetch, so the token may be valid.
      throw error instanceof errors.JWKSNoMatchingKey ? unavailable() : error;
    }
  }
}

/**
 * Returns whether the error is the token's fault. The keys are available, but the token matches no key or several keys,
 * or jose does not support its algorithm.
 */
const isTokenError = (error: unknown): boolean =>
  error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys || error instanceof errors.JOSENotSupported;
