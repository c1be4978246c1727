import type { IncomingMessage } from 'node:http';
import { errors, type AccessToken, type ClientCredentials, type Grant, type KoaContextWithOIDC } from 'oidc-provider';
import type { Config } from '../config.ts';
import type { Database } from '../db/client.ts';
import { deviceOf } from './device.ts';
import { wantsSignIn } from './sign-in-policy.ts';

/** Starts and ends sessions; src/domain/sessions.ts implements both. */
export interface SessionPort {
  start(session: { userId: string; clientId: string; grantId: string; device: string | null }, request: IncomingMessage): Promise<unknown>;
  endOfGrant(grantId: string): Promise<unknown>;
}

export interface SessionGrantsParts {
  config: Config;
  db: Database;
  sessions: SessionPort;
}

/** Ties the grants of the authorization server to Session rows. Each grant has one Session row, and the two end together. */
export class SessionGrants {
  readonly #db: Database;
  readonly #sessions: SessionPort;
  readonly #lifetimeMs: number;

  constructor({ config, db, sessions }: SessionGrantsParts) {
    this.#db = db;
    this.#sessions = sessions;
    this.#lifetimeMs = config.sessionDays * 86_400_000;
  }

  /** Returns the browser's grant while its session is active. Otherwise returns a new grant with a new session. */
  async load(ctx: KoaContextWithOIDC): Promise<Grant | undefined> {
    const { client, session, account, provider } = ctx.oidc;
    // A person who must sign in again gets a session only after signing in.
    if (client === undefined || session === undefined || account === undefined || (await wantsSignIn(this.#db, ctx))) return undefined;
    const remembered = session.grantIdFor(client.clientId);
    const existing = remembered === undefined ? undefined : await this.#findActive(ctx, remembered, account.accountId);
    const grant = existing ?? new provider.Grant({ accountId: account.accountId, clientId: client.clientId });
    grant.addOIDCScope([...ctx.oidc.requestParamOIDCScopes].join(' '));
    const grantId = await grant.save();
    if (existing === undefined) {
      const device = deviceOf(ctx.get('user-agent'));
      await this.#sessions.start({ userId: account.accountId, clientId: client.clientId, grantId, device }, ctx.req);
    }
    return grant;
  }

  /**
   * Extends the session whose refresh token a client has just used. The session, its grant and its next refresh token
   * expire `sessionDays` from now.
   */
  async extend({ oidc: { grant } }: KoaContextWithOIDC): Promise<void> {
    const expiresAt = new Date(Date.now() + this.#lifetimeMs);
    const { count } = await this.#db.prisma.session.updateMany({
      where: { grantId: grant?.jti ?? '', ...active() },
      data: { expiresAt, lastSeenAt: new Date() },
    });
    if (grant === undefined || count === 0) throw new errors.InvalidGrant('the session has ended');
    grant.exp = Math.floor(expiresAt.getTime() / 1000);
    await grant.save();
  }

  /** Returns the claim `sid` of an access token: the id of its session. A service has no session. */
  async claimsOf(token: AccessToken | ClientCredentials): Promise<{ sid: string } | undefined> {
    if (!('grantId' in token) || token.grantId === undefined) return undefined;
    const session = await this.#db.prisma.session.findFirst({ where: { grantId: token.grantId, ...active() }, select: { id: true } });
    if (session === null) throw new errors.InvalidGrant('the session has ended');
    return { sid: session.id };
  }

  /** Returns the grant if it belongs to the account and its session is active. */
  async #findActive({ oidc: { provider } }: KoaContextWithOIDC, grantId: string, accountId: string): Promise<Grant | undefined> {
    const grant = await provider.Grant.find(grantId);
    const isActive = (await this.#db.prisma.session.count({ where: { grantId, ...active() } })) === 1;
    return isActive && grant?.accountId === accountId ? grant : undefined;
  }
}

const active = () => ({ endedAt: null, expiresAt: { gt: new Date() } });
