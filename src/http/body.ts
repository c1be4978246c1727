import { isUtf8 } from 'node:buffer';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate, type ZlibOptions } from 'node:zlib';
import { unavailable } from '../errors.ts';
import { RequestError } from './errors.ts';
import { bodyTooLarge, messages } from './messages.ts';

/**
 * Receives and decodes the body or the query string of a request. Refuses text that cannot be decoded without loss, and
 * bodies that take too much memory.
 */

type Decompress = (bytes: Buffer, options: ZlibOptions) => Promise<Buffer>;

const codings = new Map<string, Decompress>([
  ['gzip', promisify(gunzip)],
  ['x-gzip', promisify(gunzip)],
  ['deflate', promisify(inflate)],
  ['br', promisify(brotliDecompress)],
]);

/** Returns the media type of a Content-Type, in lower case, without its parameters. */
export const mediaTypeOf = (contentType: string | undefined): string => contentType?.split(';', 1)[0]!.trim().toLowerCase() ?? '';

/**
 * Returns the decompressed body as UTF-8 without a byte order mark; undefined if the client disconnected.
 * @param maxBytes limit of the body, both compressed and decompressed.
 * @param response sends 100-continue to a client that waits for it.
 * @throws RequestError 413 for a body that is too large (its rest is not read), 415 for an unsupported charset or
 *   content coding, 400 for text that is not UTF-8, 503 if too many bytes are being received
 *   (`ReceiptBudget`).
 */
export async function readText(request: IncomingMessage, maxBytes: number, response?: ServerResponse): Promise<Buffer | undefined> {
  const { 'content-type': contentType, 'content-encoding': coding = 'identity', 'content-length': length } = request.headers;
  if (!isUtf8Charset(contentType)) throw unsupported('UNSUPPORTED_CHARSET', 'charsetUnsupported');
  const decompress = codings.get(coding.trim().toLowerCase());
  if (decompress === undefined && coding.trim().toLowerCase() !== 'identity')
    throw unsupported('UNSUPPORTED_CONTENT_ENCODING', 'codingUnsupported');
  if (Number(length) > maxBytes) throw tooLarge(maxBytes);
  if (request.headers.expect !== undefined) response?.writeContinue();
  const bytes = await receive(request, maxBytes);
  if (bytes === undefined) return undefined;
  return utf8(decompress === undefined ? bytes : await decompressed(bytes, decompress, maxBytes));
}

/**
 * Returns whether every `charset` is UTF-8 or its subset ASCII. JSON has no such parameter (RFC 8259, 11), but some
 * clients send it.
 */
function isUtf8Charset(contentType = ''): boolean {
  if (!contentType.includes(';')) return true;
  return [...contentType.matchAll(/;\s*charset\s*=\s*("[^"]*"|[^;\s]*)/gi)].every(([, value]) =>
    /^"?(utf-?8|(us-)?ascii)"?$/i.test(value!),
  );
}

function receive(request: IncomingMessage & { receipt?: Receipt }, maxBytes: number): Promise<Buffer | undefined> {
  const { receipt } = request;
  return new Promise<Buffer | undefined>((resolve, reject) => {
    const parts: Buffer[] = [];
    let size = 0;
    const finish = (bytes: Buffer | undefined): void => {
      receipt?.end();
      resolve(bytes);
    };
    const refuse = (error: Error): void => {
      request.off('data', take).pause();
      // Frees the parts at once, because the request object lives until the client stops sending.
      parts.length = 0;
      receipt?.end();
      reject(error);
    };
    const take = (part: Buffer): void => {
      size += part.length;
      if (size > maxBytes) return refuse(tooLarge(maxBytes));
      try {
        receipt?.take(part.length);
      } catch (error) {
        return refuse(error as Error);
      }
      parts.push(part);
    };
    request
      .on('data', take)
      .on('end', () => finish(parts.length === 1 ? parts[0]! : Buffer.concat(parts)))
      .on('error', () => finish(undefined));
  });
}

async function decompressed(bytes: Buffer, decompress: Decompress, maxBytes: number): Promise<Buffer> {
  try {
    return await decompress(bytes, { maxOutputLength: maxBytes });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(maxBytes);
    throw new RequestError('BAD_REQUEST', messages.notCompressed);
  }
}

/**
 * Removes the byte order mark, which 1C, PowerShell and .NET send and which a parser may ignore (RFC 8259, 8.1).
 * @throws RequestError for an encoding other than UTF-8.
 */
function utf8(bytes: Buffer): Buffer {
  const [first, second, third] = bytes;
  // Recognises UTF-16 and UTF-32 by their byte order marks, or by the zero bytes of JSON's first character.
  const isOther =
    (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff) || (bytes.length > 1 && (first === 0 || second === 0));
  if (isOther) throw unsupported('UNSUPPORTED_CHARSET', 'charsetUnsupported');
  if (!isUtf8(bytes)) throw new RequestError('MALFORMED_TEXT', messages.textMalformed);
  return first === 0xef && second === 0xbb && third === 0xbf ? bytes.subarray(3) : bytes;
}

/** Returns whether a query string or a form is percent-encoded UTF-8. Other encodings would be decoded to U+FFFD. */
export function isDecodable(encoded: string): boolean {
  try {
    decodeURIComponent(encoded);
  } catch {
    return false;
  }
  // Refuses bytes above 0x7F, which Node's HTTP parser accepts and reads as one character each.
  return /^[\x20-\x7e]*$/.test(encoded);
}

const tooLarge = (maxBytes: number): RequestError => new RequestError('BODY_TOO_LARGE', bodyTooLarge(maxBytes), { status: 413 });

/** A 415 for a content coding lists the supported codings (RFC 9110, 15.5.16). */
const unsupported = (code: string, message: 'charsetUnsupported' | 'codingUnsupported'): RequestError =>
  new RequestError(code, messages[message], {
    status: 415,
    ...(message === 'codingUnsupported' && { headers: { 'accept-encoding': 'gzip, deflate, br' } }),
  });

/** Limits of the memory for bodies that are being received, before their senders are authenticated. */
export const receiptLimits = {
  /** Bytes of each body that are not counted, so that large bodies never block ordinary requests. */
  uncounted: 8 * 1024,
  perAddress: 16 * 1024 * 1024,
  perProcess: 64 * 1024 * 1024,
} as const;

/** Overhead in bytes of each part: a body may arrive in parts of one byte. */
const bytesPerPart = 256;

const retryAfterSeconds = 2;

/** Counts the bytes being received, per address and in total. */
export class ReceiptBudget {
  #total = 0;
  readonly #addresses = new Map<string, number>();

  /** Starts counting one body. Calls `addressOf` only if the body is large enough to be counted. */
  begin(addressOf: () => string | null): Receipt {
    let address: string | undefined;
    return new Receipt((bytes) => this.#add((address ??= addressOf() ?? ''), bytes));
  }

  #add(address: string, bytes: number): boolean {
    const ofAddress = (this.#addresses.get(address) ?? 0) + bytes;
    const fits = ofAddress <= receiptLimits.perAddress && this.#total + bytes <= receiptLimits.perProcess;
    if (bytes > 0 && !fits) return false;
    this.#total += bytes;
    if (ofAddress === 0) this.#addresses.delete(address);
    else this.#addresses.set(address, ofAddress);
    return true;
  }
}

export class Receipt {
  readonly #add: (bytes: number) => boolean;
  #size = 0;
  #counted = 0;

  constructor(add: (bytes: number) => boolean) {
    this.#add = add;
  }

  /**
   * Counts a part.
   * @throws RequestError UNAVAILABLE (503) if the budget is used up; the response closes the connection.
   */
  take(bytes: number): void {
    this.#size += bytes + bytesPerPart;
    const more = Math.max(0, this.#size - receiptLimits.uncounted) - this.#counted;
    if (more === 0) return;
    if (!this.#add(more)) {
      const headers = { 'retry-after': String(retryAfterSeconds), connection: 'close' };
      throw new RequestError('UNAVAILABLE', unavailable(retryAfterSeconds).text, { status: 503, headers });
    }
    this.#counted += more;
  }

  /** Returns the counted bytes to the budget. Call it when the body is complete or abandoned. */
  end(): void {
    if (this.#counted > 0) this.#add(-this.#counted);
    this.#counted = 0;
    this.#size = 0;
  }
}
