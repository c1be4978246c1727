import { hash } from 'node:crypto';
import {
  GraphQLError,
  Kind,
  NoSchemaIntrospectionCustomRule,
  parse,
  specifiedRules,
  TypeInfo,
  validate,
  visit,
  visitWithTypeInfo,
  type DocumentNode,
} from 'graphql';
import { LRUCache } from 'lru-cache';
import type { Context } from '../../domain/context.ts';
import { SelectedFields } from '../../domain/loaders.ts';
import { rateLimited, type Language, type Refusal } from '../../errors.ts';
import { schema } from '../../graphql/schema.ts';
import { cacheBudget } from '../cache-budget.ts';
import { accountIdOf } from '../request-info.ts';
import { Budgets } from './budgets.ts';
import { computeCost } from './cost.ts';
import { HeldMemory } from './held-memory.ts';
import { anonymousLengthRefusal, anonymousShapeRefusal, anonymousTokensRefusal, boundDocument, BoundsRule } from './limits.ts';
import { requestErrorWithCode, inLanguage, refusalError, RequestError } from '../errors.ts';
import { dropPlans } from '../../executor/compile-query.ts';
import { ResultExtensions, type CompiledQuery } from '../../executor/execution-state.ts';

/**
 * Caches parsed and validated documents, for HTTP and WebSocket. The cache is limited in bytes of heap. The documents
 * that an account or an address may add in a minute are limited too, because parsing and validating cost far more
 * than a look-up. Invalid documents are not cached.
 */

/** The parameters of a request that name its document. */
export interface DocumentParams {
  query?: unknown;
  extensions?: unknown;
}

/** The sender of a document. */
type Sender = Pick<Context, 'actor' | 'credential' | 'language' | 'address'>;

/** A valid document, with values that are computed from it once. */
export class KnownDocument {
  readonly text: string;
  /** SHA-256 in hexadecimal, which identifies a persisted query. */
  readonly hash: string;
  readonly document: DocumentNode;
  /** Bytes of heap. */
  readonly weight: number;
  /** The refusal for anonymous requests; undefined if they may send the document. */
  readonly anonymousRefusal: Refusal | undefined;
  /** Whether the word `asOf` occurs in the document. If not, the document does not select the field `asOf`. */
  readonly selectsAsOf: boolean;
  #selectedFields: SelectedFields | undefined;
  #introspects: boolean | undefined;
  #lastExtensions: CostExtensions | undefined;
  /** The costs that do not depend on variables, by operation name. */
  readonly #constantCosts = new Map<string, number>();

  constructor(text: string, tokens: number, document: DocumentNode) {
    this.text = text;
    this.hash = hash('sha256', text);
    this.document = document;
    this.weight = weightOf(text, tokens);
    this.anonymousRefusal = anonymousLengthRefusal(text.length) ?? anonymousTokensRefusal(tokens) ?? anonymousShapeRefusal(document);
    this.selectsAsOf = /\basOf\b/.test(text);
  }

  /**
   * The fields that the document selects, by the type that has them. A selection on an interface is not listed under the types
   * that implement it; the interface `Node` has only the field `id`.
   */
  get selectedFields(): SelectedFields {
    return (this.#selectedFields ??= selectedFields(this.document));
  }

  /** Whether the document reads the schema. */
  get introspects(): boolean {
    return (this.#introspects ??= validate(schema, this.document, [NoSchemaIntrospectionCustomRule]).length > 0);
  }

  /** Returns the number of objects that an operation could return. */
  costOf(variables: Readonly<Record<string, unknown>>, operationName: string | null | undefined): number {
    const name = operationName ?? '';
    const known = this.#constantCosts.get(name);
    if (known !== undefined) return known;
    const { cost, isConstant } = computeCost(this.document, variables, operationName);
    if (isConstant) this.#constantCosts.set(name, cost);
    return cost;
  }

  /** Returns the extensions of a result. Reuses those of the last result if cost and limit are the same. */
  extensionsOf(requested: number, limit: number): ResultExtensions {
    const last = this.#lastExtensions;
    if (last?.requested === requested && last.limit === limit) return last.extensions;
    const extensions = new ResultExtensions({ cost: { requested, limit } });
    this.#lastExtensions = { requested, limit, extensions };
    return extensions;
  }
}

/** The `extensions` of results with this cost and limit. */
interface CostExtensions {
  requested: number;
  limit: number;
  extensions: ResultExtensions;
}

function selectedFields(document: DocumentNode): SelectedFields {
  const fields = new Map<string, Set<string>>();
  const types = new TypeInfo(schema);
  const collect = ({ name }: { name: { value: string } }): void => {
    const type = types.getParentType()!.name;
    fields.set(type, (fields.get(type) ?? new Set()).add(name.value));
  };
  visit(document, visitWithTypeInfo(types, { Field: collect }));
  return new SelectedFields(fields);
}

/**
 * Estimates the heap bytes of a document and of the data cached with it (costs, selected fields, variables of streams).
 * Measured on Node 20 as the growth of `heapUsed` after a full collection, over 60 documents of each of twelve shapes:
 * 220 to 506 bytes a token, 1 or 2 a character, and up to 4 KB in addition.
 */
const weightOf = (text: string, tokens: number): number => 4000 + 2 * text.length + 510 * tokens;

/**
 * Returns the charge for validating `tokens` tokens, in addition to the document's characters. The rule for
 * overlapping fields compares fields in pairs: the worst documents of 2,000 tokens took 45 to 90 ms, those of 200
 * tokens at most 3 ms.
 */
const chargeOf = (tokens: number): number => Math.ceil(tokens * (8 + tokens / 50));

/** Limit of the new documents of one account or address in a minute: their characters plus `chargeOf` their tokens. */
const newPerMinute = { account: 3 * 1024 * 1024, address: 128 * 1024 };

const sha256Pattern = /^[0-9a-f]{64}$/i;

/** Returns an error with status 200, as Apollo Server does. Its message has one language, because clients compare it. */
const protocolError = (code: string, message: string): RequestError => new RequestError(code, [message, message], { status: 200 });

const mismatch = (): RequestError =>
  new RequestError('PERSISTED_QUERY_MISMATCH', [
    'Значение sha256Hash не совпадает с SHA-256 переданного документа.',
    'The value of sha256Hash is not the SHA-256 of the document sent.',
  ]);

export class Documents {
  // Anonymous documents have a separate cache, so that they cannot evict documents of signed-in accounts.
  readonly #ofAccounts = this.#cacheOf((cacheBudget * 7) / 8);
  readonly #ofAnonymous = this.#cacheOf(cacheBudget / 8);
  readonly #byHash = new Map<string, KnownDocument>();
  readonly #byDocument = new WeakMap<DocumentNode, KnownDocument>();
  readonly #held = new HeldMemory();
  readonly #heldTexts = new Map<string, KnownDocument>();
  readonly #accounts = new Budgets(newPerMinute.account);
  readonly #addresses = new Budgets(newPerMinute.address);

  #cacheOf(maxSize: number): LRUCache<string, KnownDocument> {
    return new LRUCache({ maxSize, dispose: (known, _text, reason) => reason === 'evict' && this.#forget(known) });
  }

  /**
   * Returns the document's text; undefined if the request has neither a text nor a hash. With Apollo's automatic
   * persisted queries, a client first sends only the SHA-256 of a document, and sends the text too if the server does
   * not know the hash. A hash finds any cached document, no matter which client sent its text.
   * @throws RequestError for an unknown hash, an unsupported version, or a hash that does not match the text.
   */
  textOf({ query, extensions }: DocumentParams): string | undefined {
    const text = typeof query === 'string' ? query : undefined;
    const persisted = (extensions as { persistedQuery?: unknown } | null | undefined)?.persistedQuery;
    if (persisted === undefined || persisted === null) return text;
    const { version, sha256Hash } = persisted as { version?: unknown; sha256Hash?: unknown };
    if (version !== 1 || typeof sha256Hash !== 'string' || !sha256Pattern.test(sha256Hash))
      throw protocolError('PERSISTED_QUERY_NOT_SUPPORTED', 'PersistedQueryNotSupported');
    const requestedHash = sha256Hash.toLowerCase();
    if (text === undefined || text === '') {
      const known = this.findByHash(requestedHash);
      if (known === undefined) throw protocolError('PERSISTED_QUERY_NOT_FOUND', 'PersistedQueryNotFound');
      return known.text;
    }
    if ((this.find(text)?.hash ?? hash('sha256', text)) !== requestedHash) throw mismatch();
    return text;
  }

  find(text: string): KnownDocument | undefined {
    return this.#ofAccounts.get(text) ?? this.#ofAnonymous.get(text) ?? this.#heldTexts.get(text);
  }

  findByHash(sha256: string): KnownDocument | undefined {
    const known = this.#byHash.get(sha256);
    return known && this.find(known.text);
  }

  /**
   * Returns the document with this text. Parses and validates the text if the document is not cached.
   * @throws GraphQLError or AggregateError, in the language of the sender, for an invalid document, or when the
   *   budget of new documents is used up.
   */
  read(text: string, sender: Sender): KnownDocument {
    try {
      const known = this.find(text) ?? this.#add(text, sender);
      if (sender.actor.kind === 'anonymous') throwRefusal(known.anonymousRefusal, sender.language);
      return known;
    } catch (error) {
      if (error instanceof AggregateError)
        throw new AggregateError((error.errors as GraphQLError[]).map((cause) => inLanguage(cause, sender.language)));
      throw error instanceof GraphQLError ? inLanguage(error, sender.language) : error;
    }
  }

  #add(text: string, sender: Sender): KnownDocument {
    const anonymous = sender.actor.kind === 'anonymous';
    const { language } = sender;
    const [budgets, key] = anonymous ? [this.#addresses, sender.address ?? ''] : [this.#accounts, holderIdOf(sender)];
    if (anonymous) throwRefusal(anonymousLengthRefusal(text.length), language);
    const wait = budgets.take(key, text.length);
    if (wait > 0) throwRefusal(rateLimited(wait), language);
    const tokens = boundDocument(text);
    if (anonymous) throwRefusal(anonymousTokensRefusal(tokens), language);
    budgets.add(key, chargeOf(tokens));
    const document = parseDocument(text);
    validateDocument(document);
    const known = new KnownDocument(text, tokens, document);
    if (!anonymous || known.anonymousRefusal === undefined) this.#keep(known, anonymous ? this.#ofAnonymous : this.#ofAccounts);
    return known;
  }

  #keep(known: KnownDocument, cache: LRUCache<string, KnownDocument>): void {
    this.#byDocument.set(known.document, known);
    this.#byHash.set(known.hash, known);
    cache.set(known.text, known, { size: known.weight });
    if (!cache.has(known.text)) this.#forget(known);
  }

  #forget({ text, hash: sha256, document }: KnownDocument): void {
    if (this.#heldTexts.get(text)?.document === document) return;
    this.#byHash.delete(sha256);
    dropPlans(document);
  }

  /**
   * Keeps the document of a subscription and its plan in memory while the subscription is open. Returns a function
   * that releases them; calling that function again has no effect.
   * @throws RequestError when the account holds too many different documents, UNAVAILABLE when all accounts together
   *   hold too many.
   */
  hold(document: DocumentNode, compiled: CompiledQuery | null, sender: Sender): () => void {
    const known = this.#byDocument.get(document);
    if (known === undefined) return () => undefined;
    const release = this.#held.hold(compiled === null ? [known] : [known, compiled], holderIdOf(sender), sender.language);
    this.#heldTexts.set(known.text, known);
    return () => {
      if (!release().includes(known)) return;
      this.#heldTexts.delete(known.text);
      if (this.find(known.text) !== known) this.#forget(known);
    };
  }
}

const holderIdOf = ({ credential }: Sender): string => (credential === null ? '' : accountIdOf(credential));

/** Throws the refusal as a GraphQLError. Does nothing without a refusal. */
function throwRefusal(refusal: Refusal | undefined, language: Language): void {
  if (refusal !== undefined) throw refusalError(refusal, language);
}

/** @throws GraphQLError with a code. */
function parseDocument(text: string): DocumentNode {
  try {
    return parse(text);
  } catch (error) {
    throw requestErrorWithCode(error as GraphQLError, 'GRAPHQL_PARSE_FAILED');
  }
}

/** Validates a document. @throws GraphQLError or AggregateError; each error has a code. */
function validateDocument(document: DocumentNode): void {
  if (!document.definitions.some(({ kind }) => kind === Kind.OPERATION_DEFINITION))
    throw new RequestError('OPERATION_RESOLUTION_FAILURE', ['В документе нет операции.', 'The document contains no operation.']);
  for (const rules of [[BoundsRule], specifiedRules]) {
    const errors = validate(schema, document, rules, { hideSuggestions: true, maxErrors: 20 });
    if (errors.length > 0) throw new AggregateError(errors.map(validationError));
  }
}

/** Adds the code to a validation error. After 500,000 comparisons of overlapping fields, graphql-js says `Validation aborted.` */
const validationError = (error: GraphQLError): GraphQLError => {
  if (error.message === 'Validation aborted.')
    return new RequestError('DOCUMENT_TOO_COMPLEX', [
      'Одни и те же поля повторяются в документе слишком часто.',
      'The document repeats the same fields too often.',
    ]);
  return error instanceof RequestError ? error : requestErrorWithCode(error, 'GRAPHQL_VALIDATION_FAILED');
};
