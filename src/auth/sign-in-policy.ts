import { interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider';
import type { Database } from '../db/client.ts';
import { orUnavailable } from './unavailable.ts';

/** Decides when the authorization server asks for a password although the browser has a session cookie. */

/**
 * Returns the policy that decides when to ask for a password. oidc-provider has reasons of its own: no session, the
 * client asks for it, and others. The policy adds two: the person can no longer sign in, or a session of this browser
 * was ended. Treats `select_account` as a new sign-in. Accepts `prompt=consent`, which OpenID Connect requires of clients
 * that want offline access (Core 1.0, 11). Shows no consent screen, because every frontend is the school's own.
 */
export function signInPolicy(db: Database): interactionPolicy.DefaultPolicy {
  const { base, Check, Prompt } = interactionPolicy;
  const policy = base();
  policy.get('consent')!.checks.clear();
  policy.add(new Prompt({ name: 'select_account', requestable: true }), 1);
  const login = policy.get('login')!;
  login.checks.add(
    new Check(
      'no_account',
      'the person can no longer sign in',
      (ctx) => ctx.oidc.session?.accountId !== undefined && ctx.oidc.account === undefined,
    ),
  );
  login.checks.add(
    new Check(
      'session_ended',
      'a session of this browser was ended',
      orUnavailable((ctx: KoaContextWithOIDC) => endedSince(db, ctx)),
    ),
  );
  return policy;
}

export async function wantsSignIn(db: Database, ctx: KoaContextWithOIDC): Promise<boolean> {
  const { session, params, result } = ctx.oidc;
  if (ctx.oidc.promptPending('login') || ctx.oidc.promptPending('select_account')) return true;
  const maxAge = params?.max_age;
  if (maxAge !== undefined && !result?.login && session?.past(Number(maxAge))) return true;
  return endedSince(db, ctx);
}

/**
 * Returns whether a session of this browser was ended after the last sign-in in this browser. A person may end a
 * session from another device. The browser of the ended session must then ask for the password. Otherwise its cookie
 * would start a new session without a password.
 */
async function endedSince(db: Database, ctx: KoaContextWithOIDC): Promise<boolean> {
  const { session, result } = ctx.oidc;
  if (!session?.accountId || result?.login) return false;
  return isShutOut(db, session);
}

/**
 * Returns whether a session of a browser was ended after the last sign-in in the same browser.
 * @param session the browser's session in oidc-provider, which may contain the grants of several Session rows.
 */
export async function isShutOut(
  db: Database,
  session: { accountId?: string | undefined; loginTs?: number | undefined; authorizations?: object | undefined },
): Promise<boolean> {
  const grants = Object.values((session.authorizations ?? {}) as Record<string, { grantId?: string }>);
  const grantIds = grants.flatMap(({ grantId }) => (grantId === undefined ? [] : [grantId]));
  const signedInAt = new Date((session.loginTs ?? 0) * 1000);
  return (await db.prisma.session.count({ where: { grantId: { in: grantIds }, endedAt: { gte: signedInAt } } })) > 0;
}
