import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as openid from 'openid-client';
import { SmtpMailer } from '../../src/adapters/mail.ts';
import { hashPassword } from '../../src/auth/passwords.ts';
import { loadSigningKeys } from '../../src/auth/keys.ts';
import { Tokens } from '../../src/auth/tokens.ts';
import { readConfig } from '../../src/config.ts';
import type { Database } from '../../src/db/client.ts';
import { createLogger } from '../../src/logger.ts';
import { contextFor, type ServerDeps } from '../../src/http/request-context.ts';
import { createRoutes } from '../../src/http/routes.ts';
import { createBuild, type Build } from './build.ts';
import { openTestDatabase } from './database.ts';

/** A server without GraphQL: the authorization server and the pages, over real HTTP on a new database. */
export interface AuthServer extends ServerDeps {
  url: string;
  /** URL that the server listens on; `PUBLIC_URL` may differ. */
  listening: string;
  build: Build;
  operator: ReturnType<typeof contextFor>;
  /** The `Authorization` headers of requests to /graphql, which is a stub. */
  asked: string[];
  /** Creates a teacher of a new school who can sign in with `password`. */
  teacher(surname?: string): Promise<{ id: string; signInName: string; schoolId: string }>;
  /** Registers a frontend with an unreachable redirect URI. */
  frontend(): Promise<{ id: string; redirectUri: string }>;
  close(): Promise<void>;
}

export const password = 'верный пароль 7';

/**
 * @param shared the database of another server. If it is given, the new server uses it, like a second process of the same
 * installation. Otherwise the server gets a database of its own.
 */
export async function openAuthServer(
  env: Record<string, string> = {},
  logged?: (line: string) => void,
  shared?: Database,
): Promise<AuthServer> {
  const asked: string[] = [];
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://localhost:${(server.address() as AddressInfo).port}`;
  const config = readConfig({ PUBLIC_URL: url, SECRET_KEY: 'a secret of thirty-two bytes for tests', DEMO: 'false', ...env });
  const log = createLogger(logged === undefined ? 'silent' : 'debug');
  if (logged !== undefined) Object.assign(log, recorder(logged));
  const db = shared ?? (await openTestDatabase());
  const keys = await loadSigningKeys(db, config);
  // Stubs, because this server has no subscriptions.
  const quiet = { notifier: { notify: () => undefined }, liveEvents: { rights: { invalidate: () => undefined } } } as unknown as Pick<
    ServerDeps,
    'notifier' | 'liveEvents'
  >;
  const mailer = config.mail === undefined ? null : new SmtpMailer({ settings: config.mail, log });
  const deps: ServerDeps = { config, db, log, keys, mailer, tokens: new Tokens({ config, db, keys, log }), ...quiet };
  const answer = createRoutes(deps);
  server.on('request', (req: IncomingMessage, res: ServerResponse) => {
    if (req.url === '/graphql') {
      asked.push(req.headers.authorization ?? '');
      return void res.writeHead(200, { 'content-type': 'application/json' }).end('{"data":{"__typename":"Query"}}');
    }
    answer(req, res).then(
      (answered) => answered || res.writeHead(404).end(),
      (error: unknown) => (res.headersSent ? res.destroy() : res.writeHead(500).end(String(error))),
    );
  });
  const operator = contextFor(deps, { kind: 'operator' }, { acceptLanguage: null, requestId: null, address: null });
  const build = createBuild({ ...deps, operator } as unknown as Parameters<typeof createBuild>[0]);
  let count = 0;
  return {
    ...deps,
    url,
    listening: url,
    build,
    operator,
    asked,
    async teacher(surname = 'Петрова') {
      const { school } = await build.school();
      const signInName = `teacher${(count += 1)}.${school.id.slice(-6)}`;
      const { id } = await build.user({
        schoolId: school.id,
        role: 'TEACHER',
        surname,
        signInName,
        passwordHash: await hashPassword(password),
      });
      return { id, signInName, schoolId: school.id };
    },
    async frontend() {
      const id = `app-${(count += 1)}`;
      const redirectUri = 'https://portal.example/callback';
      await db.prisma.oauthClient.create({ data: { id, name: 'Школьный портал', scopes: [], redirectUris: [redirectUri] } });
      return { id, redirectUri };
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await mailer?.close();
      if (shared === undefined) await db.close();
    },
  };
}

/** Returns a logger that passes every call to `logged` as JSON. */
function recorder(logged: (line: string) => void) {
  const note = (...parts: unknown[]) =>
    logged(
      JSON.stringify(parts, (_key, value: unknown) =>
        value instanceof Error ? { ...value, message: value.message, stack: value.stack } : value,
      ),
    );
  return { debug: note, info: note, warn: note, error: note };
}

/** A browser without JavaScript. Keeps cookies, follows redirects within the server, and posts forms. */
export class Browser {
  readonly #cookies = new Map<string, { value: string; path: string }>();
  readonly #home: string;
  readonly #headers: Record<string, string>;

  constructor(home: string, headers: Record<string, string> = {}) {
    this.#home = home;
    this.#headers = headers;
  }

  get cookies(): string {
    return [...this.#cookies].map(([name, { value }]) => `${name}=${value}`).join('; ');
  }

  setCookie(name: string, value: string): void {
    this.#cookies.set(name, { value, path: '/' });
  }

  /** Follows redirects within the server. Returns the first response that does not redirect there. */
  async open(address: string, init: RequestInit = {}): Promise<Seen> {
    const url = new URL(address, this.#home);
    const cookie = [...this.#cookies]
      .filter(([, { path }]) => url.pathname.startsWith(path))
      .map(([name, { value }]) => `${name}=${value}`)
      .join('; ');
    const headers = {
      'accept-language': 'ru',
      accept: 'text/html',
      ...this.#headers,
      ...(init.headers as object),
      ...(cookie ? { cookie } : {}),
    };
    const response = await fetch(url, { ...init, headers, redirect: 'manual' });
    for (const line of response.headers.getSetCookie()) this.#keep(line);
    const text = await response.text();
    const location = response.headers.get('location');
    const next = location === null ? undefined : new URL(location, url);
    if (next?.origin === this.#home) return this.open(next.href);
    return { status: response.status, url: url.href, location: next?.href, text, headers: response.headers };
  }

  /** Fills in and posts the first form of a page. */
  submit(page: Seen, fields: Record<string, string>, headers: Record<string, string> = {}): Promise<Seen> {
    const action = /<form [^>]*action="([^"]*)"/.exec(page.text)?.[1] ?? page.url;
    const hidden = [...page.text.split('</form>')[0]!.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)];
    const all = { ...Object.fromEntries(hidden.map(([, name, value]) => [name!, value!])), ...fields };
    return this.open(action.replaceAll('&amp;', '&'), {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
      body: new URLSearchParams(all).toString(),
    });
  }

  #keep(line: string): void {
    const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)!;
    const path = /;\s*path=([^;]*)/i.exec(line)?.[1] ?? '/';
    if (value === '' || /expires=Thu, 01 Jan 1970/i.test(line)) this.#cookies.delete(name!);
    else this.#cookies.set(name!, { value: value!, path });
  }
}

export interface Seen {
  status: number;
  url: string;
  /** The `Location` if it leads to another origin. */
  location: string | undefined;
  text: string;
  headers: Headers;
}

export const discover = (server: AuthServer, clientId: string, secret?: string): Promise<openid.Configuration> =>
  openid.discovery(new URL(server.url), clientId, undefined, secret === undefined ? openid.None() : openid.ClientSecretBasic(secret), {
    execute: [openid.allowInsecureRequests],
  });

/**
 * Signs in like a frontend: authorization code with PKCE in a browser. A browser with a session gets no form for the
 * password.
 */
export async function signInWith(
  server: AuthServer,
  browser: Browser,
  client: { id: string; redirectUri: string },
  signInName: string,
  more: Record<string, string> = {},
) {
  const configuration = await discover(server, client.id);
  const pkceCodeVerifier = openid.randomPKCECodeVerifier();
  const state = openid.randomState();
  const address = openid.buildAuthorizationUrl(configuration, {
    redirect_uri: client.redirectUri,
    scope: 'openid profile',
    state,
    code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    ...more,
  });
  let seen = await browser.open(address.href);
  const askedForPassword = seen.location === undefined;
  if (askedForPassword) seen = await browser.submit(seen, { signInName, password });
  if (seen.location === undefined) throw new Error(`no way back to the client: ${seen.status} ${seen.text}`);
  const callback = new URL(seen.location);
  const checks = { pkceCodeVerifier, expectedState: state };
  const tokens = await openid.authorizationCodeGrant(configuration, callback, checks);
  return { configuration, tokens, askedForPassword, callback, pkceCodeVerifier, state };
}
