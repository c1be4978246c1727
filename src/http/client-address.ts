import type { IncomingMessage } from 'node:http';
import { BlockList, isIPv4, isIPv6 } from 'node:net';
import type { TrustedProxies } from '../config.ts';

/**
 * Returns the client's IPv4 address, or the /64 network of its IPv6 address, which one household or machine gets.
 * Returns null for a socket that is already closed.
 *
 * With trusted proxies, it reads `X-Forwarded-For` from the right: each proxy appends the address that connected to it,
 * and the client may have forged the earlier entries. Uses the socket's address if an entry is not an address.
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
 * Returns the first address from the right that is not a trusted proxy, or the leftmost if all are trusted. Returns
 * null if it meets an entry that is not an address.
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
 * Returns the address of an entry, without port, brackets, quotes and zone; an IPv4-mapped IPv6 address as IPv4.
 * Returns null for other entries, such as `unknown`, a name or an empty entry.
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
