import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import Provider, { errors, type Client, type Configuration, type KoaContextWithOIDC } from 'oidc-provider';
import { serviceScopes } from '../policy/actor.ts';
import type { Config } from '../config.ts';
import type { Database } from '../db/client.ts';
import type { Logger } from '../logger.ts';
import { createAdapter, frontend, isLoopback } from './adapter.ts';
import { deviceOf } from './device.ts';
import type { SigningKeys } from './keys.ts';
import { logProviderErrors } from './provider-errors.ts';
import { deriveSuccessor, keyFor } from './seal.ts';
import { signInPolicy, wantsSignIn } from './sign-in-policy.ts';
import { withUnavailable } from './unavailable.ts';
import { audienceOf } from './tokens.ts';

/** Client ids of the server's own frontends: the API explorer and the session pages. */
export const explorerClient = 'explorer';
export const pagesClient = 'pages';

/** Starts and ends sessions; src/domain/sessions.ts implements both. */
export interface SessionPort {
  start(session: { userId: string; clientId: string; grantId: string; device: string | null }, request: IncomingMessage): Promise<unknown>;
  endOfGrant(grantId: string): Promise<unknown>;
}

export interface ProviderPages {
  error(ctx: KoaContextWithOIDC, error: Error): void;
  /** @param form an empty form with the id `op.logoutForm`; a button of it with `logout=yes` confirms signing out. */
  signOut(ctx: KoaContextWithOIDC, form: string): void;
  signedOut(ctx: KoaContextWithOIDC): void;
}

export interface ProviderParts {
  config: Config;
  db: Database;
  keys: SigningKeys;
  log: Logger;
  sessions: SessionPort;
  pages: ProviderPages;
}

/**
 * Creates the authorization server: authorization code with PKCE for frontends, client credentials for services. It
 * asks for no consent, since every frontend is the school's own. Each grant has one Session row, and they end together.
 */
export function createProvider(parts: ProviderParts): Provider {
  const { config, db, log, sessions } = parts;
  const provider = new Provider(config.publicUrl, withUnavailable(configuration(parts)));
  // Makes Koa use the host and scheme that src/http/routes.ts sets from PUBLIC_URL.
  provider.proxy = true;
  provider.Client.prototype.compareClientSecret = function compare(this: { clientSecret?: string }, actual: string) {
    const expectedHash = Buffer.from(this.clientSecret ?? '', 'base64url');
    const actualHash = createHash('sha256').update(actual).digest();
    return expectedHash.length === actualHash.length && timingSafeEqual(expectedHash, actualHash);
  };
  // Derives a refresh token's successor from it, so that a client may request it twice (src/auth/adapter.ts). Overrides
  // a private method of oidc-provider 9.13; test/auth/provider/refresh.test.ts fails when it changes.
  const refreshTokens = provider.RefreshToken.prototype as unknown as { generateTokenId(): string };
  const randomTokenId = refreshTokens.generateTokenId;
  refreshTokens.generateTokenId = function generate() {
    const predecessor = Provider.ctx?.oidc.entities.RotatedRefreshToken;
    return predecessor === undefined ? randomTokenId.call(this) : deriveSuccessor(config.secretKey, predecessor.jti);
  };
  // Makes signing out revoke refresh tokens too, which oidc-provider would spare because they outlive the browser's
  // session.
  provider.on('authorization.success', ({ oidc: { session, client } }) => {
    if (session !== undefined && client !== undefined) session.authorizationFor(client.clientId).persistsLogout = false;
  });
  // oidc-provider allows the requesting origin before it knows the client. Every sandboxed frame has the origin `null`.
  provider.use(async (ctx, next) => {
    await next();
    if (ctx.get('origin') === 'null') ctx.remove('access-control-allow-origin');
  });
  logProviderErrors(provider, log);
  return provider;

  function configuration({ keys, pages }: ProviderParts): Configuration {
    const sessionSeconds = config.sessionDays * 86_400;
    const resource = audienceOf(config);
    const cookie = { signed: true, httpOnly: true, sameSite: 'lax', overwrite: true, path: '/' } as const;
    const ownOrigins = new Set([new URL(config.publicUrl).origin, ...config.allowedOrigins]);
    return {
      adapter: createAdapter({ db, secretKey: config.secretKey, ended: async (grantId) => void (await sessions.endOfGrant(grantId)) }),
      jwks: { keys: [...keys.jwks] },
      // Not `native`, which would allow redirects to other ports of this machine.
      clients: [
        {
          ...frontend({ id: explorerClient, name: 'Sfera Explorer', redirectUris: [`${config.publicUrl}/explorer`] }),
          application_type: 'web',
        },
        {
          ...frontend({ id: pagesClient, name: 'Sfera', redirectUris: [`${config.publicUrl}/sessions/signed-in`] }),
          application_type: 'web',
        },
      ],
      discovery: { prompt_values_supported: ['none', 'login', 'consent', 'select_account'] },
      clientDefaults: { id_token_signed_response_alg: 'ES256' },
      enabledJWA: { idTokenSigningAlgValues: ['ES256'] },
      clientAuthMethods: ['none', 'client_secret_basic', 'client_secret_post'],
      responseTypes: ['code'],
      scopes: ['openid', 'profile', 'offline_access', ...serviceScopes],
      claims: { openid: ['sub'], profile: ['name', 'family_name', 'given_name', 'middle_name', 'locale'] },
      pkce: { required: () => true },
      cookies: {
        keys: [keyFor(config.secretKey, 'cookies').toString('base64url')],
        names: { session: 'sfera_session', interaction: 'sfera_sign_in', resume: 'sfera_resume' },
        long: cookie,
        short: { signed: true, httpOnly: true, sameSite: 'lax', overwrite: true },
      },
      ttl: {
        AccessToken: config.accessTokenSeconds,
        ClientCredentials: config.accessTokenSeconds,
        AuthorizationCode: 60,
        IdToken: 3600,
        Interaction: 3600,
        RefreshToken: sessionSeconds,
        Grant: sessionSeconds,
        Session: sessionSeconds,
      },
      features: {
        devInteractions: { enabled: false },
        // The API takes bearer tokens only.
        dPoP: { enabled: false },
        userinfo: { enabled: false },
        clientCredentials: { enabled: true },
        introspection: { enabled: true, allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId },
        revocation: { enabled: true, allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId },
        rpInitiatedLogout: {
          enabled: true,
          logoutSource: (ctx, form) => pages.signOut(ctx, form),
          postLogoutSuccessSource: (ctx) => pages.signedOut(ctx),
        },
        resourceIndicators: {
          enabled: true,
          defaultResource: () => resource,
          useGrantedResource: () => true,
          getResourceServerInfo(_ctx, indicator) {
            if (indicator !== resource) throw new errors.InvalidTarget();
            return {
              scope: serviceScopes.join(' '),
              audience: resource,
              accessTokenFormat: 'jwt',
              accessTokenTTL: config.accessTokenSeconds,
              jwt: { sign: { alg: 'ES256' } },
            };
          },
        },
      },
      interactions: { policy: signInPolicy(db), url: (_ctx, interaction) => `${config.publicUrl}/sign-in/${interaction.uid}` },
      clientBasedCORS: (_ctx, origin, client) => ownOrigins.has(origin) || isOriginOf(client, origin),
      issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
      expiresWithSession: () => false,
      rotateRefreshToken: async (ctx) => {
        await extendSession(ctx);
        return true;
      },
      loadExistingGrant: grantOf,
      extraTokenClaims: async (_ctx, token) => {
        if (!('grantId' in token) || token.grantId === undefined) return undefined;
        const session = await db.prisma.session.findFirst({ where: { grantId: token.grantId, ...active() }, select: { id: true } });
        if (session === null) throw new errors.InvalidGrant('the session has ended');
        return { sid: session.id };
      },
      findAccount: async (_ctx, id) => {
        const user = await db.prisma.user.findFirst({ where: { id, deactivatedAt: null } });
        if (user === null) return undefined;
        const { surname, givenName, patronymic, locale } = user;
        const name = [surname, givenName, patronymic].filter((part) => part !== null).join(' ');
        const names = { name, family_name: surname, given_name: givenName, ...(patronymic === null ? {} : { middle_name: patronymic }) };
        return { accountId: id, claims: (_use, scope) => (scope.includes('profile') ? { sub: id, ...names, locale } : { sub: id }) };
      },
      renderError: (ctx, _out, error) => pages.error(ctx, error),
    };
  }

  /** Returns the browser's grant while its session is active, otherwise a new grant with a new session. */
  async function grantOf(ctx: KoaContextWithOIDC) {
    const { client, session, account } = ctx.oidc;
    // Starts no session before a person who must sign in again has done so.
    if (client === undefined || session === undefined || account === undefined || (await wantsSignIn(db, ctx))) return undefined;
    const remembered = session.grantIdFor(client.clientId);
    const grant = remembered === undefined ? undefined : await provider.Grant.find(remembered);
    const isActive = remembered !== undefined && (await db.prisma.session.count({ where: { grantId: remembered, ...active() } })) === 1;
    const existing = grant !== undefined && isActive && grant.accountId === account.accountId ? grant : undefined;
    const current = existing ?? new provider.Grant({ accountId: account.accountId, clientId: client.clientId });
    current.addOIDCScope([...ctx.oidc.requestParamOIDCScopes].join(' '));
    const grantId = await current.save();
    if (existing === undefined)
      await sessions.start(
        { userId: account.accountId, clientId: client.clientId, grantId, device: deviceOf(ctx.get('user-agent')) },
        ctx.req,
      );
    return current;
  }

  /** Extends a used session: the session, its grant and its next refresh token expire `sessionDays` from now. */
  async function extendSession(ctx: KoaContextWithOIDC): Promise<void> {
    const grant = ctx.oidc.grant;
    const expiresAt = new Date(Date.now() + config.sessionDays * 86_400_000);
    const { count } = await db.prisma.session.updateMany({
      where: { grantId: grant?.jti ?? '', ...active() },
      data: { expiresAt, lastSeenAt: new Date() },
    });
    if (grant === undefined || count === 0) throw new errors.InvalidGrant('the session has ended');
    grant.exp = Math.floor(expiresAt.getTime() / 1000);
    await grant.save();
  }
}

/**
 * Returns whether the origin is that of a redirect URI of the client. A native client may use any port of a loopback
 * host, as for its redirects (RFC 8252, 7.3).
 */
function isOriginOf(client: Client, origin: string): boolean {
  // Apps with their own scheme and sandboxed frames share the origin `null`, so it identifies no client.
  if (!/^https?:/.test(origin) || !URL.canParse(origin)) return false;
  const requesting = new URL(origin);
  return (client.redirectUris ?? []).some((uri) => {
    const registered = new URL(uri);
    if (registered.origin === requesting.origin) return true;
    const isSameHost = registered.protocol === requesting.protocol && registered.hostname === requesting.hostname && isLoopback(requesting);
    return client.applicationType === 'native' && isSameHost;
  });
}

const active = () => ({ endedAt: null, expiresAt: { gt: new Date() } });
