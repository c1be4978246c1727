import { createHash } from 'node:crypto';

/**
 * Ids of OneRoster: up to 255 letters without diacritics, digits, and the signs `.-_/@`. Other external ids are written
 * in hexadecimal behind a prefix, so that they can be read back.
 */

const prefix = 'sfera/';
const allowed = /^[A-Za-z0-9._/@-]{1,255}$/;
const encoded = /^sfera\/((?:[0-9a-f]{2})+)$/;
const maxEncodedBytes = 120;

/** Returns the id for a file. An external id of more than 120 bytes that is not allowed becomes a hash, which cannot be read back. */
export function encodeId(id: string): string {
  if (allowed.test(id) && !id.startsWith(prefix)) return id;
  return Buffer.byteLength(id) > maxEncodedBytes ? hashId(id) : `${prefix}${Buffer.from(id).toString('hex')}`;
}

/** Returns the external id that `encodeId` encoded; any other id unchanged. */
export function decodeId(id: string): string {
  const hex = encoded.exec(id)?.[1];
  return hex === undefined ? id : Buffer.from(hex, 'hex').toString();
}

/** Returns an id for a row that has none of its own, always the same for the same parts. */
export const hashId = (...parts: readonly string[]): string => createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 32);
