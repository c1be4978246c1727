import type { Credential } from '../auth/tokens.ts';

/**
 * The access log has one line at `info` for every request (src/http/listener.ts) and for every operation on a WebSocket
 * (src/http/websocket/operation.ts), including refused ones, written when it ends. It holds ids, no personal data.
 */

/** Fields of an access-log line, collected while the request is answered. */
export interface Access {
  operation?: string;
  name?: string;
  account?: Credential['kind'] | 'anonymous';
  accountId?: string;
}

/** Path patterns that keep codes and ids out of the log. An unknown path is logged as `/…`. */
const patterns: readonly (readonly [RegExp, string])[] = [
  [
    /^\/(?:graphql|health\/(?:live|ready)|metrics|joined|explorer|password(?:\/(?:changed|forgotten))?|sessions(?:\/(?:signed-in|end|end-others))?)?$/,
    '$&',
  ],
  [/^\/\.well-known\/(?:openid-configuration|oauth-authorization-server)$/, '$&'],
  [
    /^\/oidc\/(?:auth|token|jwks|revocation|introspection|token\/revocation|token\/introspection|session\/end(?:\/confirm|\/success)?)$/,
    '$&',
  ],
  [/^\/(join|reset|sign-in)\/.*$/, '/$1/…'],
  [/^\/oidc\/auth\/.*$/, '/oidc/auth/…'],
  [/^\/assets\/.*$/, '/assets/…'],
  [/^.*$/s, '/…'],
];

export function patternOf(url: string): string {
  const end = url.search(/[?#]/);
  const path = end === -1 ? url : url.slice(0, end);
  const [pattern, replacement] = patterns.find(([regExp]) => regExp.test(path))!;
  return path.replace(pattern, replacement);
}

/**
 * Records an operation's type and name. Omits a name that is longer than 60 characters or has other than word
 * characters.
 */
export function noteOperation(access: Access | undefined, operation: string, name: string | undefined): void {
  if (access === undefined) return;
  access.operation = operation;
  if (name !== undefined && /^\w{1,60}$/.test(name)) access.name = name;
}

/** Records the account of a request; `null` for a request without credentials. */
export function noteAccount(access: Access | undefined, credential: Credential | null): void {
  if (access === undefined) return;
  access.account = credential?.kind ?? 'anonymous';
  if (credential !== null) access.accountId = accountIdOf(credential);
}

export const accountIdOf = (credential: Credential): string => (credential.kind === 'user' ? credential.userId : credential.clientId);
