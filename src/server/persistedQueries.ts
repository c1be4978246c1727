import { hash } from 'node:crypto';
import { RequestError } from './masking.ts';

/**
 * Apollo's automatic persisted queries: a client sends the SHA-256 of a document alone, and its text too only where the
 * hash is not known yet. Any known document is found by its hash, whoever sent it first.
 */

export interface DocumentParams {
  query?: unknown;
  extensions?: unknown;
}

/** The documents that are known, by their text and by their hash. */
interface KnownDocuments {
  find(text: string): { hash: string } | undefined;
  findByHash(sha256: string): { text: string } | undefined;
}

const pattern = /^[0-9a-f]{64}$/i;

/** Messages that clients of the protocol compare with, the same in every language; status 200 as Apollo Server answers. */
const answerOf = (code: string, message: string): RequestError => new RequestError(code, [message, message], { status: 200 });

const mismatch = (): RequestError =>
  new RequestError('PERSISTED_QUERY_MISMATCH', ['Значение sha256Hash — не SHA-256 переданного документа.', 'The value of sha256Hash is not the SHA-256 of the document sent.']);

/**
 * Returns the text of the document that a request means; undefined where it names none.
 * @throws RequestError where it names a persisted query that is not known, is of another version, or is not its own text.
 */
export function documentText({ query, extensions }: DocumentParams, documents: KnownDocuments): string | undefined {
  const text = typeof query === 'string' ? query : undefined;
  const persisted = (extensions as { persistedQuery?: unknown } | null | undefined)?.persistedQuery;
  if (persisted === undefined || persisted === null) return text;
  const { version, sha256Hash } = persisted as { version?: unknown; sha256Hash?: unknown };
  if (version !== 1 || typeof sha256Hash !== 'string' || !pattern.test(sha256Hash)) throw answerOf('PERSISTED_QUERY_NOT_SUPPORTED', 'PersistedQueryNotSupported');
  const asked = sha256Hash.toLowerCase();
  if (text === undefined || text === '') {
    const known = documents.findByHash(asked);
    if (known === undefined) throw answerOf('PERSISTED_QUERY_NOT_FOUND', 'PersistedQueryNotFound');
    return known.text;
  }
  if ((documents.find(text)?.hash ?? hash('sha256', text)) !== asked) throw mismatch();
  return text;
}
