import { errors, type Adapter, type AdapterFactory, type Configuration } from 'oidc-provider';
import { isTransient } from '../db/availability.ts';

/**
 * Answers `temporarily_unavailable` (RFC 6749, 4.1.2.1) when the database does not respond. oidc-provider itself
 * would answer `server_error`.
 */

export const retryAfterSeconds = 2;

/** Wraps a function so that it throws `temporarily_unavailable` (503) in place of a transient error. */
export function orUnavailable<Args extends unknown[], Result>(
  step: (...args: Args) => Result | Promise<Result>,
): (...args: Args) => Promise<Result> {
  return async (...args) => {
    try {
      return await step(...args);
    } catch (cause) {
      if (!isTransient(cause)) throw cause;
      const error = new errors.TemporarilyUnavailable(undefined, { cause: cause as Error });
      // If oidc-provider's own handlers do not catch the error, Koa answers with its status and headers.
      throw Object.assign(error, { status: 503, statusCode: 503, headers: { 'retry-after': String(retryAfterSeconds) } });
    }
  };
}

/** Applies `orUnavailable` to each function of the configuration that uses the database. */
export function withUnavailable(configuration: Configuration): Configuration {
  const { adapter, findAccount, extraTokenClaims, loadExistingGrant, rotateRefreshToken } = configuration;
  return {
    ...configuration,
    adapter: (model: string) => wrapAdapter((adapter as AdapterFactory)(model)),
    ...(findAccount && { findAccount: orUnavailable(findAccount) }),
    ...(extraTokenClaims && { extraTokenClaims: orUnavailable(extraTokenClaims) }),
    ...(loadExistingGrant && { loadExistingGrant: orUnavailable(loadExistingGrant) }),
    ...(typeof rotateRefreshToken === 'function' && { rotateRefreshToken: orUnavailable(rotateRefreshToken) }),
  };
}

const wrapAdapter = (adapter: Adapter): Adapter => ({
  upsert: orUnavailable(adapter.upsert.bind(adapter)),
  find: orUnavailable(adapter.find.bind(adapter)),
  findByUserCode: orUnavailable(adapter.findByUserCode.bind(adapter)),
  findByUid: orUnavailable(adapter.findByUid.bind(adapter)),
  consume: orUnavailable(adapter.consume.bind(adapter)),
  destroy: orUnavailable(adapter.destroy.bind(adapter)),
  revokeByGrantId: orUnavailable(adapter.revokeByGrantId.bind(adapter)),
});
