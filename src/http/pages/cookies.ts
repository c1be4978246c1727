import type { IncomingMessage, ServerResponse } from 'node:http';
import { deviceCookieSeconds } from '../../auth/device-cookie.ts';
import type { Config } from '../../config.ts';

/** Cookies of the pages: HttpOnly, SameSite=Lax, and Secure if PUBLIC_URL is https. */

const deviceCookieName = 'sfera_device';

export function cookieOf(req: IncomingMessage, name: string): string | undefined {
  for (const pair of (req.headers.cookie ?? '').split(';')) {
    const separator = pair.indexOf('=');
    if (pair.slice(0, separator).trim() === name) return pair.slice(separator + 1).trim();
  }
  return undefined;
}

interface Cookie {
  name: string;
  value: string;
  /** Whether browsers send the cookie over https only. */
  secure: boolean;
  /** If undefined, the browser drops the cookie when the browser is closed. */
  maxAgeSeconds?: number;
}

export function setCookie(res: ServerResponse, { name, value, secure, maxAgeSeconds }: Cookie): void {
  const age = maxAgeSeconds === undefined ? '' : `; Max-Age=${maxAgeSeconds}`;
  res.appendHeader('set-cookie', `${name}=${value}; Path=/; HttpOnly; SameSite=Lax${age}${secure ? '; Secure' : ''}`);
}

export const deviceCookieOf = (req: IncomingMessage): string | undefined => cookieOf(req, deviceCookieName);

export function keepDeviceCookie(res: ServerResponse, value: string, { publicUrl }: Pick<Config, 'publicUrl'>): void {
  setCookie(res, { name: deviceCookieName, value, secure: publicUrl.startsWith('https:'), maxAgeSeconds: deviceCookieSeconds });
}
