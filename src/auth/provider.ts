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

/** The frontends that this server is itself: the API explorer, and the pages about the person's own sessions. */
export const explorerClient = 'explorer';
export const pagesClient = 'pages';

/** What happens to sessions, which src/domain/sessions.ts knows how to do. */
export interface SessionPort {
  start(of: { userId: string; clientId: string; grantId: string; device: string | null }, request: IncomingMessage): Promise<unknown>;
  /** A grant was revoked; its session has ended with it. */
  endOfGrant(grantId: string): Promise<unknown>;
}

/** What a person sees of the authorization server, besides signing in. */
export interface ProviderPages {
  error(ctx: KoaContextWithOIDC, error: Error): void;
  /** `form` is an empty form with the id `op.logoutForm`; its field `logout` says yes. */
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
 * The authorization server: code with PKCE for frontends, client credentials for machines. Every frontend is the
 * school's own, so that nobody is asked for consent. One grant is one Session row: they end together.
 */
export function createProvider(parts: ProviderParts): Provider {
  const { config, db, log, sessions } = parts;
  const provider = new Provider(config.publicUrl, withUnavailable(configuration(parts)));
  // src/http/routes.ts sets these headers itself, from the settings.
  provider.proxy = true;
  // What is kept of a secret is its hash.
  provider.Client.prototype.compareClientSecret = function compare(this: { clientSecret?: string }, actual: string) {
    const kept = Buffer.from(this.clientSecret ?? '', 'base64url');
    const shown = createHash('sha256').update(actual).digest();
    return kept.length === shown.length && timingSafeEqual(kept, shown);
  };
  // A refresh token's successor is derived from it, so that a client may ask for it twice (src/auth/adapter.ts). Private to
  // oidc-provider 9.13: without it «used by two at one moment» of test/auth/refresh.test.ts fails.
  const refreshTokens = provider.RefreshToken.prototype as unknown as { generateTokenId(): string };
  const randomTokenId = refreshTokens.generateTokenId;
  refreshTokens.generateTokenId = function generate() {
    const predecessor = Provider.ctx?.oidc.entities.RotatedRefreshToken;
    return predecessor === undefined ? randomTokenId.call(this) : deriveSuccessor(config.secretKey, predecessor.jti);
  };
  // Refresh tokens outlive the browser's memory, yet signing out must end them: the library would spare them.
  provider.on('authorization.success', ({ oidc: { session, client } }) => {
    if (session !== undefined && client !== undefined) session.authorizationFor(client.clientId).persistsLogout = false;
  });
  // The library allows the requesting origin before it knows the client. Every sandboxed frame has the origin `null`.
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
      // Never `native`: other ports of this machine are not this server.
      clients: [
        { ...frontend({ id: explorerClient, name: 'Sfera Explorer', redirectUris: [`${config.publicUrl}/explorer`] }), application_type: 'web' },
        { ...frontend({ id: pagesClient, name: 'Sfera', redirectUris: [`${config.publicUrl}/sessions/signed-in`] }), application_type: 'web' },
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
        await keepSession(ctx);
        return true;
      },
      loadExistingGrant: grantOf,
      extraTokenClaims: async (_ctx, token) => {
        if (!('grantId' in token) || token.grantId === undefined) return undefined;
        const session = await db.prisma.session.findFirst({ where: { grantId: token.grantId, ...alive() }, select: { id: true } });
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

  /** The grant that this browser remembers while its session lasts, otherwise a new one with a new session. */
  async function grantOf(ctx: KoaContextWithOIDC) {
    const { client, session, account } = ctx.oidc;
    // Whoever is about to be asked to sign in again starts no session before they have.
    if (client === undefined || session === undefined || account === undefined || (await wantsSignIn(db, ctx))) return undefined;
    const remembered = session.grantIdFor(client.clientId);
    const grant = remembered === undefined ? undefined : await provider.Grant.find(remembered);
    const alone = remembered !== undefined && (await db.prisma.session.count({ where: { grantId: remembered, ...alive() } })) === 1;
    const kept = grant !== undefined && alone && grant.accountId === account.accountId ? grant : undefined;
    const current = kept ?? new provider.Grant({ accountId: account.accountId, clientId: client.clientId });
    current.addOIDCScope([...ctx.oidc.requestParamOIDCScopes].join(' '));
    const grantId = await current.save();
    if (kept === undefined)
      await sessions.start(
        { userId: account.accountId, clientId: client.clientId, grantId, device: deviceOf(ctx.get('user-agent')) },
        ctx.req,
      );
    return current;
  }

  /** A session that is used lives on: it, its grant and its next refresh token expire `sessionDays` from now. */
  async function keepSession(ctx: KoaContextWithOIDC): Promise<void> {
    const grant = ctx.oidc.grant;
    const expiresAt = new Date(Date.now() + config.sessionDays * 86_400_000);
    const { count } = await db.prisma.session.updateMany({
      where: { grantId: grant?.jti ?? '', ...alive() },
      data: { expiresAt, lastSeenAt: new Date() },
    });
    if (grant === undefined || count === 0) throw new errors.InvalidGrant('the session has ended');
    grant.exp = Math.floor(expiresAt.getTime() / 1000);
    await grant.save();
  }
}

/**
 * Returns whether a page of the client has this origin. A native client's page may be on any port of this machine, like
 * its redirects (RFC 8252, 7.3).
 */
function isOriginOf(client: Client, origin: string): boolean {
  // An app's own scheme and a sandboxed frame both have the origin `null`, so it proves nothing.
  if (!/^https?:/.test(origin) || !URL.canParse(origin)) return false;
  const asking = new URL(origin);
  return (client.redirectUris ?? []).some((uri) => {
    const registered = new URL(uri);
    if (registered.origin === asking.origin) return true;
    const sameMachine = registered.protocol === asking.protocol && registered.hostname === asking.hostname && isLoopback(asking);
    return client.applicationType === 'native' && sameMachine;
  });
}

const alive = () => ({ endedAt: null, expiresAt: { gt: new Date() } });
