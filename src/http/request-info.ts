import type { IncomingMessage } from 'node:http';
import { BlockList, isIPv4, isIPv6 } from 'node:net';
import type { Credential } from '../auth/tokens.ts';
import type { TrustedProxies } from '../config.ts';
import type { Language } from '../errors.ts';

/** Reads the id, the language and the address of a request, and collects its line of the access log. */

/** The headers and the address of an HTTP request, or of an operation on a WebSocket. */
export interface RequestInfo {
  authorization: string | null;
  acceptLanguage: string | null;
  requestId: string | null;
  address: string | null;
  access?: Access | undefined;
  bytes?: (() => number) | undefined;
}

/** Returns the headers and the address of a request. @param trusted as in `addressOf`. */
export function requestInfoOf(request: IncomingMessage & { access?: Access; body?: Buffer }, trusted: TrustedProxies): RequestInfo {
  return {
    access: request.access,
    authorization: request.headers.authorization ?? null,
    acceptLanguage: request.headers['accept-language'] ?? null,
    requestId: requestIdOf(request),
    address: addressOf(request, trusted),
    bytes: () => request.body?.length ?? 0,
  };
}

/** Returns the client's `X-Request-Id` if it has 8 to 64 word characters or hyphens; otherwise null. */
export function requestIdOf(request: IncomingMessage): string | null {
  const value = request.headers['x-request-id'];
  return typeof value === 'string' && /^[\w-]{8,64}$/.test(value) ? value : null;
}

/** Returns the supported language with the highest weight in Accept-Language; Russian by default. */
export function languageOf(acceptLanguage: string | null): Language {
  if (acceptLanguage === null) return 'ru';
  const ranges = headerElements(acceptLanguage).map(([tag = '', ...parameters], i) => {
    const quality = parameters.map((p) => /^q=([\d.]+)$/.exec(p)?.[1]).find((q) => q !== undefined);
    return { tag: tag.split('-')[0], quality: quality === undefined ? 1 : Number(quality), i };
  });
  const [first] = ranges
    .filter(({ tag, quality }) => (tag === 'ru' || tag === 'en') && quality > 0)
    .sort((a, b) => b.quality - a.quality || a.i - b.i);
  return first?.tag === 'en' ? 'en' : 'ru';
}

/** Limits of the parsed part of a header. Real headers are shorter; a client may send up to 32 KB. */
const maxCharacters = 512;
const maxElements = 20;

/**
 * Returns the elements of a list header such as Accept (RFC 9110, 5.6.1), each as its value followed by its parameters,
 * in lower case. Ignores elements past the limits.
 */
export const headerElements = (header: string): string[][] =>
  header
    .slice(0, maxCharacters)
    .toLowerCase()
    .split(',', maxElements)
    .map((element) => element.split(';').map((part) => part.trim()));

/**
 * Returns the client's IPv4 address, or the /64 network of its IPv6 address, which belongs to one household or
 * machine. Returns null for a socket that is already closed.
 *
 * With trusted proxies, reads `X-Forwarded-For` from the right. Each proxy appends the address that connected to it;
 * the client may have forged the earlier entries. Uses the socket's address if an entry is not an address.
 */
export function addressOf(request: Pick<IncomingMessage, 'headers' | 'socket'>, trusted: TrustedProxies): string | null {
  const socketAddress = parseAddress(request.socket.remoteAddress ?? '');
  const header = trusted === 0 ? undefined : request.headers['x-forwarded-for'];
  const entries = header === undefined ? [] : String(header).split(',').reverse();
  if (socketAddress === null || entries.length === 0) return socketAddress && networkOf(socketAddress);
  const found =
    trusted instanceof BlockList
      ? firstUntrusted(trusted, socketAddress, entries)
      : parseAddress(entries[Math.min(trusted, entries.length) - 1]!);
  return networkOf(found ?? socketAddress);
}

/**
 * Returns the first address from the right that is not a trusted proxy, or the leftmost address if all are trusted.
 * Returns null if an entry on the way is not an address.
 */
function firstUntrusted(trusted: BlockList, socketAddress: string, entries: readonly string[]): string | null {
  let address = socketAddress;
  for (const entry of entries) {
    if (!trusted.check(address, isIPv4(address) ? 'ipv4' : 'ipv6')) return address;
    const next = parseAddress(entry);
    if (next === null) return null;
    address = next;
  }
  return address;
}

/**
 * Returns the address of an entry, without port, brackets, quotes and zone. Returns an IPv4-mapped IPv6 address as
 * IPv4. Returns null for other entries, such as `unknown`, a name or an empty entry.
 */
function parseAddress(entry: string): string | null {
  const text = entry.trim().replace(/^"(.*)"$/, '$1');
  if (isIPv4(text)) return text;
  const [, bracketed, v4] = /^(?:\[([^\]]*)\](?::\d{1,5})?|([\d.]+):\d{1,5})$/.exec(text) ?? [];
  if (v4 !== undefined) return isIPv4(v4) ? v4 : null;
  const v6 = (bracketed ?? text).replace(/%.*$/, '');
  if (!isIPv6(v6)) return null;
  const [high, low] = groupsOf(v6).slice(6) as [number, number];
  const mapped = groupsOf(v6).slice(0, 6).join() === '0,0,0,0,0,65535';
  return mapped ? `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}` : v6;
}

/** Returns the eight groups of an IPv6 address. `URL` normalises it to the shortest form, without dots. */
function groupsOf(v6: string): number[] {
  const [head = '', tail] = new URL(`http://[${v6}]`).hostname.slice(1, -1).split('::');
  const numbers = (part: string) => (part === '' ? [] : part.split(':').map((group) => parseInt(group, 16)));
  if (tail === undefined) return numbers(head);
  const [left, right] = [numbers(head), numbers(tail)];
  return [...left, ...Array<number>(8 - left.length - right.length).fill(0), ...right];
}

const networkOf = (address: string): string =>
  isIPv4(address)
    ? address
    : `${groupsOf(address)
        .slice(0, 4)
        .map((group) => group.toString(16))
        .join(':')}::/64`;

/**
 * Fields of a line of the access log, collected while the request is answered. Every request (src/http/listener.ts) and
 * every operation on a WebSocket (src/http/websocket/operation.ts), even a refused one, writes one line at `info` when
 * it ends. The lines contain ids, but no personal data.
 */
export interface Access {
  operation?: string;
  name?: string;
  account?: Credential['kind'] | 'anonymous';
  accountId?: string;
}

/** Path patterns that keep codes and ids out of the log. An unknown path is logged as `/…`. */
const patterns: readonly (readonly [RegExp, string])[] = [
  [
    /^\/(?:graphql|health\/(?:live|ready)|metrics|joined|explorer|classes|password(?:\/(?:changed|forgotten))?|sessions(?:\/(?:signed-in|end|end-others))?)?$/,
    '$&',
  ],
  [/^\/\.well-known\/(?:openid-configuration|oauth-authorization-server)$/, '$&'],
  [
    /^\/oidc\/(?:auth|token|jwks|revocation|introspection|token\/revocation|token\/introspection|session\/end(?:\/confirm|\/success)?)$/,
    '$&',
  ],
  [/^\/(join|reset|sign-in)\/.*$/, '/$1/…'],
  [/^\/(uploads|downloads)\/.*$/, '/$1/…'],
  [/^\/classes\/.*\/invitations$/, '/classes/…/invitations'],
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
 * Records an operation's type and name. Omits a name of more than 60 characters, and a name with characters other than
 * letters, digits and `_`.
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
