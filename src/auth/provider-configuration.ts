import { errors, type Account, type Client, type Configuration, type KoaContextWithOIDC } from 'oidc-provider';
import { serviceScopes } from '../policy/actor.ts';
import type { Config } from '../config.ts';
import type { Database } from '../db/client.ts';
import { createAdapter, frontend, isLoopback } from './adapter.ts';
import type { SigningKeys } from './keys.ts';
import { keyFor } from './seal.ts';
import { SessionGrants, type SessionPort } from './session-grants.ts';
import { signInPolicy } from './sign-in-policy.ts';
import { audienceOf } from './tokens.ts';

/** The configuration of oidc-provider. */

/** Client ids of the server's own frontends: the API explorer and the session pages. */
export const explorerClient = 'explorer';
export const pagesClient = 'pages';

export interface ProviderPages {
  error(ctx: KoaContextWithOIDC, error: Error): void;
  /**
   * Shows a page that asks the person to confirm signing out.
   * @param form HTML of an empty form with the id `op.logoutForm`. The page adds a button that submits `logout=yes`.
   */
  signOut(ctx: KoaContextWithOIDC, form: string): void;
  signedOut(ctx: KoaContextWithOIDC): void;
}

export interface ConfigurationParts {
  config: Config;
  db: Database;
  keys: SigningKeys;
  sessions: SessionPort;
  pages: ProviderPages;
}

export function createConfiguration({ config, db, keys, sessions, pages }: ConfigurationParts): Configuration {
  const grants = new SessionGrants({ config, db, sessions });
  return {
    ...protocol,
    adapter: createAdapter({ db, secretKey: config.secretKey, ended: async (grantId) => void (await sessions.endOfGrant(grantId)) }),
    jwks: { keys: [...keys.jwks] },
    clients: ownClients(config),
    cookies: cookies(config),
    ttl: lifetimes(config),
    features: features(config, pages),
    interactions: { policy: signInPolicy(db), url: (_ctx, interaction) => `${config.publicUrl}/sign-in/${interaction.uid}` },
    clientBasedCORS: originCheck(config),
    loadExistingGrant: (ctx) => grants.load(ctx),
    rotateRefreshToken: async (ctx) => {
      await grants.extend(ctx);
      return true;
    },
    extraTokenClaims: (_ctx, token) => grants.claimsOf(token),
    findAccount: (_ctx, id) => findAccount(db, id),
    renderError: (ctx, _out, error) => pages.error(ctx, error),
  };
}

/** The OAuth flows, scopes, claims and algorithms. They do not depend on the settings of the server. */
const protocol: Configuration = {
  discovery: { prompt_values_supported: ['none', 'login', 'consent', 'select_account'] },
  clientDefaults: { id_token_signed_response_alg: 'ES256' },
  enabledJWA: { idTokenSigningAlgValues: ['ES256'] },
  clientAuthMethods: ['none', 'client_secret_basic', 'client_secret_post'],
  responseTypes: ['code'],
  scopes: ['openid', 'profile', 'offline_access', ...serviceScopes],
  claims: { openid: ['sub'], profile: ['name', 'family_name', 'given_name', 'middle_name', 'locale'] },
  pkce: { required: () => true },
  issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
  expiresWithSession: () => false,
};

/**
 * Returns the server's own frontends. They are `web` clients, because a `native` client could redirect to any port of
 * this machine.
 */
const ownClients = ({ publicUrl }: Config): NonNullable<Configuration['clients']> => [
  { ...frontend({ id: explorerClient, name: 'Sfera Explorer', redirectUris: [`${publicUrl}/explorer`] }), application_type: 'web' },
  { ...frontend({ id: pagesClient, name: 'Sfera', redirectUris: [`${publicUrl}/sessions/signed-in`] }), application_type: 'web' },
];

function cookies({ secretKey }: Config): NonNullable<Configuration['cookies']> {
  const short = { signed: true, httpOnly: true, sameSite: 'lax', overwrite: true } as const;
  return {
    keys: [keyFor(secretKey, 'cookies').toString('base64url')],
    names: { session: 'sfera_session', interaction: 'sfera_sign_in', resume: 'sfera_resume' },
    long: { ...short, path: '/' },
    short,
  };
}

/** Returns the lifetimes in seconds. */
function lifetimes({ accessTokenSeconds, sessionDays }: Config): NonNullable<Configuration['ttl']> {
  const sessionSeconds = sessionDays * 86_400;
  return {
    AccessToken: accessTokenSeconds,
    ClientCredentials: accessTokenSeconds,
    AuthorizationCode: 60,
    IdToken: 3600,
    Interaction: 3600,
    RefreshToken: sessionSeconds,
    Grant: sessionSeconds,
    Session: sessionSeconds,
  };
}

function features(config: Config, pages: ProviderPages): NonNullable<Configuration['features']> {
  return {
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
    resourceIndicators: resourceIndicators(config),
  };
}

/** Makes access tokens JWTs. Their only resource is the API. */
function resourceIndicators(config: Config): NonNullable<NonNullable<Configuration['features']>['resourceIndicators']> {
  const resource = audienceOf(config);
  return {
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
  };
}

/** Returns the claims of the person with this id; undefined if the id is unknown or the account is deactivated. */
async function findAccount(db: Database, id: string): Promise<Account | undefined> {
  const user = await db.prisma.user.findFirst({ where: { id, deactivatedAt: null } });
  if (user === null) return undefined;
  const { surname, givenName, patronymic, locale } = user;
  const name = [surname, givenName, patronymic].filter((part) => part !== null).join(' ');
  const names = { name, family_name: surname, given_name: givenName, ...(patronymic === null ? {} : { middle_name: patronymic }) };
  return { accountId: id, claims: (_use, scope) => (scope.includes('profile') ? { sub: id, ...names, locale } : { sub: id }) };
}

/** Allows the origin of the server itself, the origins of ALLOWED_ORIGINS, and the origins of the client. */
function originCheck({ publicUrl, allowedOrigins }: Config): NonNullable<Configuration['clientBasedCORS']> {
  const ownOrigins = new Set([new URL(publicUrl).origin, ...allowedOrigins]);
  return (_ctx, origin, client) => ownOrigins.has(origin) || isOriginOf(client, origin);
}

/**
 * Returns whether the origin is that of a redirect URI of the client. A native client may use any port of a loopback
 * host, as in its redirect URIs (RFC 8252, 7.3).
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
