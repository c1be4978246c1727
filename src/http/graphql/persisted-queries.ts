import { hash } from 'node:crypto';
import { RequestError } from '../errors.ts';

/**
 * Apollo's automatic persisted queries: a client sends only the SHA-256 of a document, and its text if the server does not
 * know the hash. A hash finds any cached document, no matter which client sent it first.
 */

export interface DocumentParams {
  query?: unknown;
  extensions?: unknown;
}

/** Cached documents, by their text and by their hash. */
interface KnownDocuments {
  find(text: string): { hash: string } | undefined;
  findByHash(sha256: string): { text: string } | undefined;
}

const pattern = /^[0-9a-f]{64}$/i;

/**
 * Returns an error of the protocol. Clients compare its message, so it is the same in both languages; status 200 as in
 * Apollo Server.
 */
const answerOf = (code: string, message: string): RequestError => new RequestError(code, [message, message], { status: 200 });

const mismatch = (): RequestError =>
  new RequestError('PERSISTED_QUERY_MISMATCH', ['Значение sha256Hash не совпадает с SHA-256 переданного документа.', 'The value of sha256Hash is not the SHA-256 of the document sent.']);

/**
 * Returns the text of a request's document; undefined if it has neither a text nor a hash.
 * @throws RequestError for a hash that is unknown, of another version, or not that of the text.
 */
export function documentText({ query, extensions }: DocumentParams, documents: KnownDocuments): string | undefined {
  const text = typeof query === 'string' ? query : undefined;
  const persisted = (extensions as { persistedQuery?: unknown } | null | undefined)?.persistedQuery;
  if (persisted === undefined || persisted === null) return text;
  const { version, sha256Hash } = persisted as { version?: unknown; sha256Hash?: unknown };
  if (version !== 1 || typeof sha256Hash !== 'string' || !pattern.test(sha256Hash)) throw answerOf('PERSISTED_QUERY_NOT_SUPPORTED', 'PersistedQueryNotSupported');
  const givenHash = sha256Hash.toLowerCase();
  if (text === undefined || text === '') {
    const known = documents.findByHash(givenHash);
    if (known === undefined) throw answerOf('PERSISTED_QUERY_NOT_FOUND', 'PersistedQueryNotFound');
    return known.text;
  }
  if ((documents.find(text)?.hash ?? hash('sha256', text)) !== givenHash) throw mismatch();
  return text;
}
