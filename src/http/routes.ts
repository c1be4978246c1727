import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Actor } from '../policy/actor.ts';
import { takeToken, type Taken } from '../auth/limits.ts';
import { createProvider } from '../auth/provider.ts';
import { fingerprint } from '../auth/seal.ts';
import type { Context } from '../domain/context.ts';
import { endSessionOfGrant, startSession } from '../domain/sessions.ts';
import { rateLimited } from '../errors.ts';
import { sendAsset } from './assets.ts';
import { isDecodable } from './body.ts';
import { explorerPage } from './pages/explorer.ts';
import { RequestError } from './errors.ts';
import { messages } from './messages.ts';
import { authorizationPages } from './pages/authorization.ts';
import { classesPage, classInvitationsPage } from './pages/class-invitations.ts';
import { createFormGuard } from './pages/forms.ts';
import { forgottenPasswordPage } from './pages/forgotten-password.ts';
import { homePage } from './pages/home.ts';
import { joinedPage, joinPage } from './pages/join.ts';
import { anonymous, type PageParts } from './pages/parts.ts';
import { passwordLinkPage } from './pages/password-link.ts';
import { passwordChangedPage, passwordPage } from './pages/password.ts';
import { endSessionsForm, sessionsPage } from './pages/sessions.ts';
import { signInPage } from './pages/sign-in.ts';
import { languageOf } from './pages/texts.ts';
import { signedInPage } from './pages/visitor.ts';
import { PageRouter, type PageRoute } from './page-router.ts';
import { contextFor, type ServerDeps } from './request-context.ts';
import { addressOf } from './request-info.ts';
import { sendError } from './responses.ts';

/**
 * Limits the authorization requests from one address, because each request writes a row. A whole school behind one
 * address sends fewer requests.
 */
const authorizationRequests = { burst: 3000, intervalSeconds: 0.3 };

/** Files that browsers and crawlers request at the root by themselves. */
const rootAssets: Partial<Record<string, string>> = { '/favicon.ico': 'icon.svg', '/robots.txt': 'robots.txt' };

/** Answers a request. Resolves to false for a path that no route matches. */
export type Routes = (request: IncomingMessage, response: ServerResponse) => Promise<boolean>;

export function createRoutes(deps: ServerDeps): Routes {
  const { config, db, keys, log } = deps;
  const context = (req: IncomingMessage | null, actor: Actor): Context => ({
    ...contextFor(deps, actor, {
      acceptLanguage: req?.headers['accept-language'] ?? null,
      requestId: (req?.headers['x-request-id'] as string | undefined) ?? null,
      address: req === null ? null : addressOf(req, config.trustProxy),
    }),
    ...(req === null ? {} : { language: languageOf(req) }),
  });
  const provider = createProvider({
    config,
    db,
    keys,
    log,
    pages: authorizationPages,
    sessions: {
      start: (session, req) => startSession(context(req, anonymous), session),
      endOfGrant: (grantId) => endSessionOfGrant(context(null, anonymous), grantId),
    },
  });
  const forms = createFormGuard(config.secretKey, config.publicUrl.startsWith('https:'));
  const parts: PageParts = { config, db, provider, forms, contextFor: context };
  const authorize = provider.callback();

  const pages = new PageRouter(pagesOf(parts), log);

  const takeAuthorizationToken = (req: IncomingMessage): Promise<Taken> => {
    const key = fingerprint(config.secretKey, 'authorization address', addressOf(req, config.trustProxy) ?? '');
    return takeToken(db, { key, ...authorizationRequests });
  };

  return async (req, res) => {
    const target = req.url ?? '/';
    const asset = rootAssets[target] ?? /^\/assets\/([\w.-]+)(?:\?|$)/.exec(target)?.[1];
    if (asset !== undefined && (req.method === 'GET' || req.method === 'HEAD')) return sendAsset(req, res, asset);
    const path = target.startsWith('/oidc/') ? target.slice('/oidc'.length) : discovery.test(target) ? target : undefined;
    if (path === undefined) return pages.answer(req, res);
    if (!isDecodable(path)) {
      sendError(req, res, new RequestError('MALFORMED_TEXT', messages.urlMalformed));
      return true;
    }
    try {
      const token = /^\/(auth|request)\b/.test(path) ? await takeAuthorizationToken(req) : undefined;
      if (token?.taken === false) throw rateLimited(token.waitSeconds);
    } catch (error) {
      pages.fail(req, res, error);
      return true;
    }
    rewriteForProvider(req, path, config.publicUrl);
    await authorize(req, res);
    return true;
  };
}

/** Returns the pages. The text that a capture group of a path matches is passed to the page. */
const pagesOf = (parts: PageParts): readonly PageRoute[] => [
  [/^\/$/, ['GET'], homePage],
  [/^\/sign-in\/([\w-]{1,64})$/, ['GET', 'POST'], (visit) => signInPage(parts, visit)],
  [/^\/join\/([\w-]{1,64})$/, ['GET', 'POST'], (visit, code) => joinPage(parts, visit, code)],
  [/^\/joined$/, ['GET'], joinedPage],
  [/^\/classes$/, ['GET'], (visit) => classesPage(parts, visit)],
  [/^\/classes\/([\da-f-]{36})\/invitations$/, ['GET'], (visit, classId) => classInvitationsPage(parts, visit, classId)],
  [/^\/sessions$/, ['GET'], (visit) => sessionsPage(parts, visit)],
  [/^\/sessions\/signed-in$/, ['GET'], signedInPage],
  [/^\/sessions\/end$/, ['POST'], (visit) => endSessionsForm(parts, visit, 'one')],
  [/^\/sessions\/end-others$/, ['POST'], (visit) => endSessionsForm(parts, visit, 'others')],
  [/^\/password$/, ['GET', 'POST'], (visit) => passwordPage(parts, visit)],
  [/^\/password\/changed$/, ['GET'], passwordChangedPage],
  [/^\/password\/forgotten$/, ['GET', 'POST'], (visit) => forgottenPasswordPage(parts, visit)],
  [/^\/reset\/([\w-]{1,64})$/, ['GET', 'POST'], (visit, code) => passwordLinkPage(parts, visit, code)],
  [/^\/explorer$/, ['GET'], (visit) => explorerPage(visit, parts.config)],
];

const discovery = /^\/\.well-known\/(openid-configuration|oauth-authorization-server)(\?|$)/;

/**
 * Rewrites a request for the authorization server. The request then has the host and the scheme of PUBLIC_URL,
 * whatever the client sent.
 */
function rewriteForProvider(req: IncomingMessage & { originalUrl?: string }, path: string, publicUrl: string): void {
  const { host, protocol } = new URL(publicUrl);
  req.originalUrl = `/oidc${path}`;
  req.url = path;
  req.headers.host = host;
  req.headers['x-forwarded-proto'] = protocol.slice(0, -1);
  delete req.headers['x-forwarded-host'];
}
