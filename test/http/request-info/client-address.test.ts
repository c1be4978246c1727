import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { readConfig } from '../../../src/config.ts';
import { addressOf } from '../../../src/http/request-info.ts';

const trustOf = (TRUST_PROXY: string) => readConfig({ TRUST_PROXY, SECRET_KEY: 'a secret of thirty-two bytes for tests' }).trustProxy;
const address = (trust: string, socket: string, forwarded?: string) =>
  addressOf(
    {
      headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
      socket: { remoteAddress: socket },
    } as unknown as IncomingMessage,
    trustOf(trust),
  );

const networks = '10.0.0.0/8, 192.0.2.1, fd00::/8';

describe('addressOf', () => {
  it.each([
    ['the socket, without proxies', '', '198.51.100.1', undefined, '198.51.100.1'],
    ['the socket, whatever a client claims', 'false', '198.51.100.1', '203.0.113.9', '198.51.100.1'],
    ['an IPv4-mapped address as IPv4', '', '::ffff:198.51.100.1', undefined, '198.51.100.1'],
    ['an IPv4-mapped address in hexadecimal as IPv4', 'true', '127.0.0.1', '::ffff:c633:6401', '198.51.100.1'],
    ['an IPv6 address as its /64', '', '2001:db8:1:2:3:4:5:6', undefined, '2001:db8:1:2::/64'],
    ['another host of the same /64 alike', 'true', '127.0.0.1', '2001:0DB8:1:2::ffff', '2001:db8:1:2::/64'],
    ['a zone is left out', '', 'fe80::1%eth0', undefined, 'fe80:0:0:0::/64'],
    ['true: what the one proxy appended', 'true', '127.0.0.1', '203.0.113.9, 198.51.100.1', '198.51.100.1'],
    ['true: the socket, when the proxy says nothing', 'true', '198.51.100.7', undefined, '198.51.100.7'],
    ['the port of IPv4 is left out', 'true', '127.0.0.1', '198.51.100.1:40001', '198.51.100.1'],
    ['the port of bracketed IPv6 is left out', 'true', '127.0.0.1', '[2001:db8::1]:40001', '2001:db8:0:0::/64'],
    ['brackets and quotes are left out', 'true', '127.0.0.1', '"[2001:db8::1]"', '2001:db8:0:0::/64'],
    ['the port after an IPv4-mapped address is left out', 'true', '127.0.0.1', '[::ffff:198.51.100.1]:7', '198.51.100.1'],
    ['garbage is no key of its own', 'true', '127.0.0.1', 'garbage-1', '127.0.0.1'],
    ['an address that is out of range is garbage', 'true', '127.0.0.1', '999.1.1.1', '127.0.0.1'],
    ['a number behind an address is garbage when it is no port', 'true', '127.0.0.1', '198.51.100.1:x', '127.0.0.1'],
    ['unknown is garbage', 'true', '127.0.0.1', 'unknown', '127.0.0.1'],
    ['an empty entry is garbage', 'true', '127.0.0.1', '198.51.100.1, ', '127.0.0.1'],
    ['two proxies: the second from the right', '2', '127.0.0.1', '203.0.113.9, 198.51.100.1, 10.0.0.1', '198.51.100.1'],
    ['two proxies, one entry: what there is', '2', '127.0.0.1', '198.51.100.1', '198.51.100.1'],
    [
      'networks: the first from the right that is no proxy',
      networks,
      '10.0.0.2',
      '203.0.113.9, 198.51.100.1, 192.0.2.1, 10.1.1.1',
      '198.51.100.1',
    ],
    ['networks: an IPv6 proxy', networks, 'fd00::1', '198.51.100.1, fd12::2', '198.51.100.1'],
    ['networks: an IPv4-mapped proxy', networks, '::ffff:10.0.0.2', '198.51.100.1', '198.51.100.1'],
    ['networks: a client that comes past the proxies counts as itself', networks, '198.51.100.1', '203.0.113.9', '198.51.100.1'],
    ['networks: garbage behind a proxy is the socket', networks, '10.0.0.2', 'garbage, 10.1.1.1', '10.0.0.2'],
    ['networks: a client among the proxies', networks, '10.0.0.2', '10.7.7.7, 10.1.1.1', '10.7.7.7'],
  ])('%s', (_title, trust, socket, forwarded, expected) => {
    expect(address(trust, socket, forwarded)).toBe(expected);
  });

  it('is null for a socket that is closed', () => {
    expect(addressOf({ headers: {}, socket: {} } as unknown as IncomingMessage, 0)).toBeNull();
  });
});

describe('TRUST_PROXY', () => {
  it.each(['yes', '-1', '10', '10.0.0.0/33', '10.0.0.0/0', 'fd00::/129', 'proxy.example', '10.0.0.1/', ','])(
    '%s stops the start with the allowed values',
    (text) => {
      expect(() => trustOf(text)).toThrow(/^TRUST_PROXY must be false, true/);
    },
  );
});
