import { hash } from 'node:crypto';
import { GraphQLError, Kind, parse, specifiedRules, validate, type DocumentNode } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { LRUCache } from 'lru-cache';
import { rateLimited, type Refusal } from '../../errors.ts';
import type { GraphContext } from '../../graphql/context.ts';
import { schema } from '../../graphql/schema.ts';
import { cacheBudget } from '../cache-budget.ts';
import { Budgets } from './budgets.ts';
import { HeldMemory } from './held-memory.ts';
import { anonymousLengthRefusal, anonymousShapeRefusal, anonymousTokensRefusal, boundDocument, BoundsRule } from './limits.ts';
import { requestErrorWithCode, inLanguage, refusalError, RequestError } from '../errors.ts';
import { documentText, type DocumentParams } from './persisted-queries.ts';
import { dropPlans } from '../../executor/compile-query.ts';
import { languageOf, type RequestInfo } from '../request-context.ts';
import type { CompiledQuery } from '../../executor/execution-state.ts';

/**
 * Caches parsed and validated documents, for HTTP and WebSocket. The cache is limited in bytes of heap. What an account
 * or an address may add in a minute is limited too, since parsing and validating cost far more than a look-up. Invalid
 * documents are not cached.
 */

export interface KnownDocument {
  text: string;
  /** SHA-256 in hexadecimal, which identifies a persisted query. */
  hash: string;
  document: DocumentNode;
  /** Bytes of heap. */
  weight: number;
  /** The refusal for anonymous requests; undefined if they may send the document. */
  anonymousRefusal: Refusal | undefined;
}

/**
 * Estimates the heap bytes of a document and of the data cached with it (costs, selected fields, variables of streams).
 * Measured on Node 20 as the growth of `heapUsed` after a full collection, over 60 documents of each of twelve shapes:
 * 220 to 506 bytes a token, 1 or 2 a character, and up to 4 KB in addition.
 */
const weightOf = (text: string, tokens: number): number => 4000 + 2 * text.length + 510 * tokens;

/**
 * Returns the charge for validating `tokens` tokens, in addition to the document's characters. The rule for overlapping
 * fields compares them in pairs: the worst documents of 2,000 tokens took 45 to 90 ms, those of 200 at most 3 ms.
 */
const chargeOf = (tokens: number): number => Math.ceil(tokens * (8 + tokens / 50));

/** Charge (characters plus `chargeOf` tokens) of the new documents that one account or address may send in a minute. */
const newPerMinute = { account: 3 * 1024 * 1024, address: 128 * 1024 };

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

  find(text: string): KnownDocument | undefined {
    return this.#ofAccounts.get(text) ?? this.#ofAnonymous.get(text) ?? this.#heldTexts.get(text);
  }

  findByHash(sha256: string): KnownDocument | undefined {
    const known = this.#byHash.get(sha256);
    return known && this.find(known.text);
  }

  /**
   * Returns the document with this text; parses and validates it if it is not cached.
   * @throws GraphQLError or AggregateError, in the language of the context, for an invalid document, or when the budget
   *   of new documents is used up.
   */
  read(text: string, ctx: GraphContext): KnownDocument {
    try {
      const known = this.find(text) ?? this.#add(text, ctx);
      if (ctx.actor.kind === 'anonymous' && known.anonymousRefusal !== undefined) throw refusalError(known.anonymousRefusal, ctx.language);
      return known;
    } catch (error) {
      if (error instanceof AggregateError)
        throw new AggregateError((error.errors as GraphQLError[]).map((cause) => inLanguage(cause, ctx.language)));
      throw error instanceof GraphQLError ? inLanguage(error, ctx.language) : error;
    }
  }

  #add(text: string, ctx: GraphContext): KnownDocument {
    const anonymous = ctx.actor.kind === 'anonymous';
    const refuse = (refusal: Refusal | undefined): void => {
      if (refusal !== undefined) throw refusalError(refusal, ctx.language);
    };
    const [budgets, key] = anonymous ? [this.#addresses, ctx.address ?? ''] : [this.#accounts, accountIdOf(ctx)];
    if (anonymous) refuse(anonymousLengthRefusal(text.length));
    const wait = budgets.take(key, text.length);
    if (wait > 0) refuse(rateLimited(wait));
    const tokens = boundDocument(text);
    if (anonymous) refuse(anonymousTokensRefusal(tokens));
    budgets.add(key, chargeOf(tokens));
    const document = parseValid(text);
    const known: KnownDocument = {
      text,
      document,
      hash: hash('sha256', text),
      weight: weightOf(text, tokens),
      anonymousRefusal: anonymousLengthRefusal(text.length) ?? anonymousTokensRefusal(tokens) ?? anonymousShapeRefusal(document),
    };
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
   * Keeps the document of a subscription and its plan in memory while the subscription is open. Returns a function that
   * releases them; it may be called more than once.
   * @throws RequestError when the account holds too many different documents, UNAVAILABLE when all accounts together
   *   do.
   */
  hold(document: DocumentNode, compiled: CompiledQuery | null, ctx: GraphContext): () => void {
    const known = this.#byDocument.get(document);
    if (known === undefined) return () => undefined;
    const release = this.#held.hold(compiled === null ? [known] : [known, compiled], accountIdOf(ctx), ctx.language);
    this.#heldTexts.set(known.text, known);
    return () => {
      if (!release().includes(known)) return;
      this.#heldTexts.delete(known.text);
      if (this.find(known.text) !== known) this.#forget(known);
    };
  }
}

export interface RequestEnvelope {
  requestInfo: RequestInfo;
  /** The context, if it was created before the document was parsed. */
  admitted?: GraphContext | undefined;
  document?: DocumentNode;
}

/** Passes documents from the cache to Yoga, which then does not parse or validate. */
export function useDocuments(
  documents: Documents,
  contextOf: (requestInfo: RequestInfo) => Promise<GraphContext>,
): Plugin<GraphContext, RequestEnvelope> {
  return {
    onParams({ params, setParams, paramsHandler, setParamsHandler, context: { requestInfo } }) {
      try {
        // Yoga refuses parameters that are not an object, after this hook.
        const query = documentText((params as DocumentParams | null) ?? {}, documents);
        if (query !== undefined) setParams({ ...params, query });
      } catch (error) {
        throw inLanguage(error as GraphQLError, languageOf(requestInfo.acceptLanguage));
      }
      // Runs after every check of the parameters.
      setParamsHandler(async (payload) => {
        const envelope: RequestEnvelope = payload.context;
        const text = payload.params.query!;
        const known = requestInfo.authorization === null ? undefined : documents.find(text);
        if (known === undefined) {
          envelope.admitted ??= await contextOf(requestInfo);
          envelope.document = documents.read(text, envelope.admitted).document;
        } else envelope.document = known.document;
        return paramsHandler(payload);
      });
    },
    onParse: ({ context, setParsedDocument }) => setParsedDocument((context as unknown as RequestEnvelope).document),
    onValidate: ({ setResult }) => setResult([]),
  };
}

const accountIdOf = ({ credential }: GraphContext): string =>
  credential?.kind === 'user' ? credential.userId : (credential?.clientId ?? '');

/** Parses and validates a document. @throws GraphQLError or AggregateError; each error has a code. */
function parseValid(text: string): DocumentNode {
  let document: DocumentNode;
  try {
    document = parse(text);
  } catch (error) {
    throw requestErrorWithCode(error as GraphQLError, 'GRAPHQL_PARSE_FAILED');
  }
  if (!document.definitions.some(({ kind }) => kind === Kind.OPERATION_DEFINITION))
    throw new RequestError('OPERATION_RESOLUTION_FAILURE', ['В документе нет операции.', 'The document contains no operation.']);
  for (const rules of [[BoundsRule], specifiedRules]) {
    const errors = validate(schema, document, rules, { hideSuggestions: true, maxErrors: 20 });
    if (errors.length > 0) throw new AggregateError(errors.map(validationError));
  }
  return document;
}

/** Adds the code to a validation error. graphql-js aborts the comparison of overlapping fields after 500,000 steps. */
const validationError = (error: GraphQLError): GraphQLError => {
  if (error.message === 'Validation aborted.')
    return new RequestError('DOCUMENT_TOO_COMPLEX', [
      'Одни и те же поля повторяются в документе слишком часто.',
      'The document repeats the same fields too often.',
    ]);
  return error instanceof RequestError ? error : requestErrorWithCode(error, 'GRAPHQL_VALIDATION_FAILED');
};
