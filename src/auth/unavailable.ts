import { errors, type Adapter, type AdapterFactory, type Configuration } from 'oidc-provider';
import { isTransient } from '../db/availability.ts';

/**
 * Answers `temporarily_unavailable` (RFC 6749, 4.1.2.1) when the database does not respond; the library itself would
 * answer `server_error`.
 */

/** Seconds after which a client may repeat the request. */
export const retryAfterSeconds = 2;

/** Wraps a function: replaces a transient error with `temporarily_unavailable` (503). */
export function orUnavailable<Args extends unknown[], Result>(step: (...args: Args) => Result | Promise<Result>): (...args: Args) => Promise<Result> {
  return async (...args) => {
    try {
      return await step(...args);
    } catch (cause) {
      if (!isTransient(cause)) throw cause;
      const error = new errors.TemporarilyUnavailable(undefined, { cause: cause as Error });
      // Koa sends the headers of an error that is thrown past the library's own handlers.
      throw Object.assign(error, { status: 503, statusCode: 503, headers: { 'retry-after': String(retryAfterSeconds) } });
    }
  };
}

/** Wraps every call of the configuration that reads or writes the database in `orUnavailable`. */
export function withUnavailable(given: Configuration): Configuration {
  const { adapter, findAccount, extraTokenClaims, loadExistingGrant, rotateRefreshToken } = given;
  return {
    ...given,
    adapter: (model: string) => adapterOf((adapter as AdapterFactory)(model)),
    ...(findAccount && { findAccount: orUnavailable(findAccount) }),
    ...(extraTokenClaims && { extraTokenClaims: orUnavailable(extraTokenClaims) }),
    ...(loadExistingGrant && { loadExistingGrant: orUnavailable(loadExistingGrant) }),
    ...(typeof rotateRefreshToken === 'function' && { rotateRefreshToken: orUnavailable(rotateRefreshToken) }),
  };
}

const adapterOf = (of: Adapter): Adapter => ({
  upsert: orUnavailable(of.upsert.bind(of)),
  find: orUnavailable(of.find.bind(of)),
  findByUserCode: orUnavailable(of.findByUserCode.bind(of)),
  findByUid: orUnavailable(of.findByUid.bind(of)),
  consume: orUnavailable(of.consume.bind(of)),
  destroy: orUnavailable(of.destroy.bind(of)),
  revokeByGrantId: orUnavailable(of.revokeByGrantId.bind(of)),
});
