import { createCipheriv, createDecipheriv, createHash, createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';

/** Cryptography with keys derived from the server's secret. Each purpose has its own key. */

/** Derives the 32-byte key of a purpose with HKDF-SHA256 (RFC 5869). */
export function keyFor(secretKey: Uint8Array, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secretKey, 'sfera', purpose, 32));
}

/** Encrypts with AES-256-GCM. Authenticates `name` too, so that a sealed value cannot replace a value with another name. */
export function seal(secretKey: Uint8Array, name: string, clear: Uint8Array): Uint8Array<ArrayBuffer> {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', keyFor(secretKey, 'seal'), nonce).setAAD(Buffer.from(name));
  const sealed = Buffer.concat([cipher.update(clear), cipher.final()]);
  return new Uint8Array(Buffer.concat([nonce, cipher.getAuthTag(), sealed]));
}

/**
 * Decrypts a value that `seal` has encrypted with the same name.
 * @throws Error when the secret or the name differs, or a bit was changed.
 */
export function open(secretKey: Uint8Array, name: string, sealed: Uint8Array): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', keyFor(secretKey, 'seal'), sealed.subarray(0, 12), { authTagLength: 16 })
    .setAAD(Buffer.from(name))
    .setAuthTag(sealed.subarray(12, 28));
  return Buffer.concat([decipher.update(sealed.subarray(28)), decipher.final()]);
}

export type Fingerprint = string & { readonly fingerprint: unique symbol };

/** Returns a keyed hash. Equal texts have equal hashes. Testing a guess against a hash needs the server's secret. */
export function fingerprint(secretKey: Uint8Array, purpose: string, text: string): Fingerprint {
  return createHmac('sha256', keyFor(secretKey, `fingerprint ${purpose}`))
    .update(text)
    .digest('base64url') as Fingerprint;
}

/**
 * Derives the code of an invitation, 160 bits, from its random nonce and the server's secret. The database stores the
 * nonce and the code's hash, so that the server can show the link again to its holder.
 */
export function deriveCode(secretKey: Uint8Array, nonce: Uint8Array): string {
  return createHmac('sha256', keyFor(secretKey, 'invitation')).update(nonce).digest().subarray(0, 20).toString('base64url');
}

/**
 * Derives the successor of a refresh token, 256 bits. A token always has the same successor, so a client that lost
 * the response gets the successor again. The server stores only the hash of the successor.
 */
export function deriveSuccessor(secretKey: Uint8Array, refreshToken: string): string {
  return createHmac('sha256', keyFor(secretKey, 'refresh token')).update(refreshToken).digest('base64url');
}

/** Returns the stored hash of a code. A plain hash is safe, since codes are random and long. */
export function hashCode(code: string): Buffer<ArrayBuffer> {
  return createHash('sha256').update(code).digest();
}

/** Compares a text from a client with a secret. The time does not depend on how many characters of the text are right. */
export function isSameSecret(actual: string, secret: string): boolean {
  return timingSafeEqual(hashCode(actual), hashCode(secret));
}
