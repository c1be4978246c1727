import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { keyFor } from './seal.ts';

/**
 * Device cookies after OWASP («Slow down online guessing attacks with device cookies»). A browser keeps a cookie
 * after a sign-in. Wrong passwords from this browser count separately from those of unknown browsers.
 *
 * A cookie has one mark for each of the last accounts. A mark consists of its creation time in seconds, a random name
 * of the device, and a keyed hash. The hash binds the mark to the account and its password, so a new password
 * revokes the mark. A mark has no personal data.
 */

export interface DeviceAccount {
  id: string;
  passwordHash: string | null;
}

export const deviceCookieSeconds = 365 * 86_400;

/** Maximum number of accounts in one cookie. Several people may share a computer. */
const maxMarks = 10;
/** A mark in base64url, 43 characters. Its bytes are 4 of the time, 12 of the name and 16 of the hash. */
const markText = /^[\w-]{43}$/;

/** Returns the device's random name if the cookie has a mark of this account; otherwise null. */
export function findDevice(secretKey: Uint8Array, account: DeviceAccount, cookie: string | undefined): string | null {
  return (
    marksOf(cookie)
      .find((mark) => isMarkOf(secretKey, account, mark))
      ?.toString('base64url', 4, 16) ?? null
  );
}

/** Returns the cookie with a new mark of this account in front, without the former mark of this account. */
export function addDevice(secretKey: Uint8Array, account: DeviceAccount, cookie: string | undefined): string {
  const head = Buffer.concat([Buffer.alloc(4), randomBytes(12)]);
  head.writeUInt32BE(Math.floor(Date.now() / 1000));
  const mark = Buffer.concat([head, hashOf(secretKey, account, head)]);
  const others = marksOf(cookie).filter((other) => !isMarkOf(secretKey, account, other));
  return [mark, ...others]
    .slice(0, maxMarks)
    .map((bytes) => bytes.toString('base64url'))
    .join('.');
}

const marksOf = (cookie: string | undefined): Buffer[] =>
  (cookie ?? '')
    .split('.')
    .slice(0, maxMarks)
    .filter((text) => markText.test(text))
    .map((text) => Buffer.from(text, 'base64url'));

function isMarkOf(secretKey: Uint8Array, account: DeviceAccount, mark: Buffer): boolean {
  const age = Date.now() / 1000 - mark.readUInt32BE();
  return age < deviceCookieSeconds && timingSafeEqual(mark.subarray(16), hashOf(secretKey, account, mark.subarray(0, 16)));
}

const hashOf = (secretKey: Uint8Array, { id, passwordHash }: DeviceAccount, head: Uint8Array): Buffer =>
  createHmac('sha256', keyFor(secretKey, 'device cookie'))
    .update(JSON.stringify([id, passwordHash]))
    .update(head)
    .digest()
    .subarray(0, 16);
