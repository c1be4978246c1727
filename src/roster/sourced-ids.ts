import { createHash } from 'node:crypto';

/**
 * Ids of OneRoster: up to 255 letters without diacritics, digits, and the signs `.-_/@`. An external id with other characters
 * is written in hexadecimal after a prefix, so that a reader can decode it.
 */

const prefix = 'sfera/';
const allowed = /^[A-Za-z0-9._/@-]{1,255}$/;
const encoded = /^sfera\/((?:[0-9a-f]{2})+)$/;
const maxEncodedBytes = 120;

/**
 * Returns the id for a file. An external id that is not allowed and has more than 120 bytes becomes a hash, which cannot be
 * decoded.
 */
export function encodeId(id: string): string {
  if (allowed.test(id) && !id.startsWith(prefix)) return id;
  return Buffer.byteLength(id) > maxEncodedBytes ? hashId(id) : `${prefix}${Buffer.from(id).toString('hex')}`;
}

/** Returns the external id that `encodeId` encoded. Returns any other id unchanged. */
export function decodeId(id: string): string {
  const hex = encoded.exec(id)?.[1];
  return hex === undefined ? id : Buffer.from(hex, 'hex').toString();
}

/** Returns an id for a row without an id. The same parts always give the same id. */
export const hashId = (...parts: readonly string[]): string => createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 32);
