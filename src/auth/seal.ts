import { createCipheriv, createDecipheriv, createHash, createHmac, hkdfSync, randomBytes } from 'node:crypto';

/** What is derived from the server's secret. Each purpose has its own key, so that one never stands in for another. */

/** The key of a purpose: 32 bytes by HKDF-SHA256 (RFC 5869). */
export function keyFor(secretKey: Uint8Array, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secretKey, 'sfera', purpose, 32));
}

/** Encrypts under AES-256-GCM; `name` is bound to it, so that a sealed value cannot be put in another's place. */
export function seal(secretKey: Uint8Array, name: string, clear: Uint8Array): Uint8Array<ArrayBuffer> {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', keyFor(secretKey, 'seal'), nonce).setAAD(Buffer.from(name));
  const sealed = Buffer.concat([cipher.update(clear), cipher.final()]);
  return new Uint8Array(Buffer.concat([nonce, cipher.getAuthTag(), sealed]));
}

/**
 * Opens what `seal` made under the same name.
 * @throws Error when the secret or the name is another, or a bit was changed.
 */
export function open(secretKey: Uint8Array, name: string, sealed: Uint8Array): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', keyFor(secretKey, 'seal'), sealed.subarray(0, 12), { authTagLength: 16 })
    .setAAD(Buffer.from(name))
    .setAuthTag(sealed.subarray(12, 28));
  return Buffer.concat([decipher.update(sealed.subarray(28)), decipher.final()]);
}

/** Text that can be recognised again and not be read back: made by `fingerprint` only. */
export type Fingerprint = string & { readonly fingerprint: unique symbol };

/** A keyed hash: the same text gives the same value, and without the server's secret nobody can try texts against it. */
export function fingerprint(secretKey: Uint8Array, purpose: string, text: string): Fingerprint {
  return createHmac('sha256', keyFor(secretKey, `fingerprint ${purpose}`)).update(text).digest('base64url') as Fingerprint;
}

/**
 * The code of an invitation: 160 bits derived from its random nonce under the server's secret. So only the code's hash
 * needs to be kept, and the link can still be shown again to the person it was handed to.
 */
export function deriveCode(secretKey: Uint8Array, nonce: Uint8Array): string {
  return createHmac('sha256', keyFor(secretKey, 'invitation')).update(nonce).digest().subarray(0, 20).toString('base64url');
}

/**
 * Derives the refresh token that follows this one: 256 bits, always the same, so that a client that lost the answer can
 * get it again although the server keeps only its hash.
 */
export function deriveSuccessor(secretKey: Uint8Array, refreshToken: string): string {
  return createHmac('sha256', keyFor(secretKey, 'refresh token')).update(refreshToken).digest('base64url');
}

/** What is kept of a code. Codes are random and long, so a plain hash tells nothing of them. */
export function hashCode(code: string): Buffer<ArrayBuffer> {
  return createHash('sha256').update(code).digest();
}
