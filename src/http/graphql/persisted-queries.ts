import { hash } from 'node:crypto';
import { RequestError } from '../errors.ts';

/**
 * Apollo's automatic persisted queries: a client sends only the SHA-256 of a document, and also its text if the server
 * does not know the hash. A hash finds any cached document, no matter which client sent its text.
 */

export interface DocumentParams {
  query?: unknown;
  extensions?: unknown;
}

interface KnownDocuments {
  find(text: string): { hash: string } | undefined;
  findByHash(sha256: string): { text: string } | undefined;
}

const sha256Pattern = /^[0-9a-f]{64}$/i;

/**
 * Returns an error of the protocol. Clients compare its message, so it is the same in both languages. The status is
 * 200, as in Apollo Server.
 */
const protocolError = (code: string, message: string): RequestError => new RequestError(code, [message, message], { status: 200 });

const mismatch = (): RequestError =>
  new RequestError('PERSISTED_QUERY_MISMATCH', [
    'Значение sha256Hash не совпадает с SHA-256 переданного документа.',
    'The value of sha256Hash is not the SHA-256 of the document sent.',
  ]);

/**
 * Returns the document's text; undefined if the request has neither a text nor a hash.
 * @throws RequestError for an unknown hash, an unsupported version, or a hash that does not match the text.
 */
export function documentText({ query, extensions }: DocumentParams, documents: KnownDocuments): string | undefined {
  const text = typeof query === 'string' ? query : undefined;
  const persisted = (extensions as { persistedQuery?: unknown } | null | undefined)?.persistedQuery;
  if (persisted === undefined || persisted === null) return text;
  const { version, sha256Hash } = persisted as { version?: unknown; sha256Hash?: unknown };
  if (version !== 1 || typeof sha256Hash !== 'string' || !sha256Pattern.test(sha256Hash))
    throw protocolError('PERSISTED_QUERY_NOT_SUPPORTED', 'PersistedQueryNotSupported');
  const requestedHash = sha256Hash.toLowerCase();
  if (text === undefined || text === '') {
    const known = documents.findByHash(requestedHash);
    if (known === undefined) throw protocolError('PERSISTED_QUERY_NOT_FOUND', 'PersistedQueryNotFound');
    return known.text;
  }
  if ((documents.find(text)?.hash ?? hash('sha256', text)) !== requestedHash) throw mismatch();
  return text;
}
