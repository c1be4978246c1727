import { randomBytes } from 'node:crypto';
import type { UserActor } from '../../policy/actor.ts';
import { loadActors } from '../../auth/actors.ts';
import { pagesClient } from '../../auth/provider-configuration.ts';
import { isShutOut } from '../../auth/sign-in-policy.ts';
import type { Language } from '../../errors.ts';
import { withLanguage } from './layout.ts';
import { redirect, type PageParts, type Visit } from './parts.ts';

/** The person who is signed in to the pages, and the way to sign in. */

/** The pages that a person returns to after signing in. Another path in `state` leads to `/sessions`. */
const returnPath = /^\/(?:sessions|password|invitations|invitations\/staff|classes|classes\/[\da-f-]{36}\/invitations)$/;

/**
 * Returns the person whom the browser's cookie signs in; undefined if nobody is signed in. The actor has the session that
 * the person has with `pagesClient`, the OAuth client of the pages.
 */
export async function loadVisitor({ provider, db }: PageParts, { req, res }: Visit): Promise<UserActor | undefined> {
  const remembered = await provider.Session.get(provider.createContext(req, res));
  const grantId = remembered.accountId === undefined ? undefined : remembered.grantIdFor(pagesClient);
  if (grantId === undefined || remembered.accountId === undefined || (await isShutOut(db, remembered))) return undefined;
  const session = await db.prisma.session.findUnique({ where: { grantId } });
  if (session === null) return undefined;
  const [actor] = await loadActors(db, [
    { kind: 'user', userId: remembered.accountId, sessionId: session.id, clientId: pagesClient, expiresAt: Date.now() / 1000 + 60 },
  ]);
  return actor !== undefined && 'kind' in actor && actor.kind === 'user' ? actor : undefined;
}

/**
 * Returns the path that signs in and leads back to a page. The pages sign in by an authorization request, like any
 * frontend. They need only the cookie that the sign-in sets, and let the authorization code expire unused.
 * @param path the page to return to, which `state` carries.
 */
export function signInPath({ config }: PageParts, language: Language, path = '/sessions'): string {
  const query = new URLSearchParams({
    client_id: pagesClient,
    redirect_uri: `${config.publicUrl}/sessions/signed-in`,
    response_type: 'code',
    scope: 'openid',
    state: `${language} ${path}`,
    code_challenge: randomBytes(32).toString('base64url'),
    code_challenge_method: 'S256',
  });
  return `/oidc/auth?${query.toString()}`;
}

/** `/sessions/signed-in`: the redirect URI after signing in. Leads on to the page that `state` names. */
export function signedInPage(visit: Visit): void {
  const [language, path = ''] = (visit.url.searchParams.get('state') ?? '').split(' ');
  redirect(visit, withLanguage(returnPath.test(path) ? path : '/sessions', language === 'en' ? 'en' : 'ru'));
}
