import type { IncomingMessage } from 'node:http';
import { BlockList, isIPv4, isIPv6 } from 'node:net';
import type { TrustedProxies } from '../config.ts';

/** Network addresses of clients, as keys for limits. */

/**
 * Returns the client's address for counting, or null for a socket that is already closed. Keeps an IPv4 address, and
 * reduces an IPv6 address to its /64 network, which one household or machine gets.
 *
 * Behind trusted proxies it reads `X-Forwarded-For` from the right: each proxy appends the address that connected to it,
 * and the client may have forged the entries before. Uses the socket's address if an entry is not an address.
 */
export function addressOf(request: Pick<IncomingMessage, 'headers' | 'socket'>, trusted: TrustedProxies): string | null {
  const own = parseAddress(request.socket.remoteAddress ?? '');
  const header = trusted === 0 ? undefined : request.headers['x-forwarded-for'];
  const entries = header === undefined ? [] : String(header).split(',').reverse();
  if (own === null || entries.length === 0) return own && networkOf(own);
  const found = trusted instanceof BlockList ? firstUntrusted(trusted, own, entries) : parseAddress(entries[Math.min(trusted, entries.length) - 1]!);
  return networkOf(found ?? own);
}

/**
 * Returns the first address from the right that is not a trusted proxy; the leftmost if all of them are; null at an entry
 * that is not an address.
 */
function firstUntrusted(trusted: BlockList, own: string, entries: readonly string[]): string | null {
  let address = own;
  for (const entry of entries) {
    if (!trusted.check(address, isIPv4(address) ? 'ipv4' : 'ipv6')) return address;
    const next = parseAddress(entry);
    if (next === null) return null;
    address = next;
  }
  return address;
}

/**
 * Returns the address of an entry, without port, brackets, quotes and zone; an IPv4-mapped one as IPv4. Returns null for
 * anything else: `unknown`, names, an empty entry.
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

/** Returns the eight groups of an IPv6 address. `URL` writes it in its shortest form, without dots. */
function groupsOf(v6: string): number[] {
  const [head = '', tail] = new URL(`http://[${v6}]`).hostname.slice(1, -1).split('::');
  const numbers = (part: string) => (part === '' ? [] : part.split(':').map((group) => parseInt(group, 16)));
  if (tail === undefined) return numbers(head);
  const [before, after] = [numbers(head), numbers(tail)];
  return [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after];
}

const networkOf = (address: string): string =>
  isIPv4(address) ? address : `${groupsOf(address).slice(0, 4).map((group) => group.toString(16)).join(':')}::/64`;
