import { createHash, timingSafeEqual } from 'node:crypto';
import Provider from 'oidc-provider';
import type { Logger } from '../logger.ts';
import { createConfiguration, type ConfigurationParts } from './provider-configuration.ts';
import { logProviderErrors } from './provider-errors.ts';
import { deriveSuccessor } from './seal.ts';
import { withUnavailable } from './unavailable.ts';

export interface ProviderParts extends ConfigurationParts {
  log: Logger;
}

/**
 * Creates the authorization server: authorization code with PKCE for frontends, client credentials for services. It
 * asks for no consent, since every frontend is the school's own.
 */
export function createProvider({ log, ...parts }: ProviderParts): Provider {
  const provider = new Provider(parts.config.publicUrl, withUnavailable(createConfiguration(parts)));
  // Makes Koa use the host and scheme that src/http/routes.ts sets from PUBLIC_URL.
  provider.proxy = true;
  compareSecretsByHash(provider);
  deriveRefreshTokens(provider, parts.config.secretKey);
  // Makes signing out revoke refresh tokens too. oidc-provider would keep them, because they may outlast the browser's
  // session.
  provider.on('authorization.success', ({ oidc: { session, client } }) => {
    if (session !== undefined && client !== undefined) session.authorizationFor(client.clientId).persistsLogout = false;
  });
  // Removes the CORS header that permits the origin `null`, because every sandboxed frame has this origin.
  // oidc-provider permits any origin as long as it does not know the client of the request.
  provider.use(async (ctx, next) => {
    await next();
    if (ctx.get('origin') === 'null') ctx.remove('access-control-allow-origin');
  });
  logProviderErrors(provider, log);
  return provider;
}

/** Compares the hash of a client's secret, because the database has only the hash. */
function compareSecretsByHash(provider: Provider): void {
  provider.Client.prototype.compareClientSecret = function compare(this: { clientSecret?: string }, actual: string) {
    const expectedHash = Buffer.from(this.clientSecret ?? '', 'base64url');
    const actualHash = createHash('sha256').update(actual).digest();
    return expectedHash.length === actualHash.length && timingSafeEqual(expectedHash, actualHash);
  };
}

/**
 * Derives the successor of a refresh token from the token, so that a client may request the successor twice
 * (src/auth/adapter.ts). Overrides a private method of oidc-provider 9.13; test/auth/provider/refresh.test.ts fails
 * when it changes.
 */
function deriveRefreshTokens(provider: Provider, secretKey: Uint8Array): void {
  const refreshTokens = provider.RefreshToken.prototype as unknown as { generateTokenId(): string };
  const randomTokenId = refreshTokens.generateTokenId;
  refreshTokens.generateTokenId = function generate() {
    const predecessor = Provider.ctx?.oidc.entities.RotatedRefreshToken;
    return predecessor === undefined ? randomTokenId.call(this) : deriveSuccessor(secretKey, predecessor.jti);
  };
}
