import type { IncomingMessage, ServerResponse } from 'node:http';
import { OperationTypeNode, type DocumentNode, type ExecutionResult, type GraphQLError, type OperationDefinitionNode } from 'graphql';
import type { Named } from '../domain/loaders.ts';
import type { Language } from '../errors.ts';
import type { GraphContext } from '../graphql/context.ts';
import { schema } from '../graphql/schema.ts';
import { noteOperation } from './access.ts';
import { executeAdmitted } from './admission.ts';
import type { Documents } from './documents.ts';
import { isRun, operationOf, resultOf, takeAnswer, tellLoaders } from './execution.ts';
import { boundOperation } from './limits.ts';
import { takeAsOf } from './live.ts';
import { bare, type Mask } from './masking.ts';
import { told, type Metrics } from './metrics.ts';
import { namedIn } from './named.ts';
import { documentText, type DocumentParams } from './persistedQueries.ts';
import { languageOf, mayIntrospect, type Asked } from './requests.ts';
import type { Run } from './run.ts';

/**
 * The short way for what nearly every request is: a query or a mutation, posted as JSON. It takes the same steps as all
 * the others, without the Fetch objects that Yoga makes of a request and a response and the hooks that it calls in
 * between, which cost more than a small answer. Whatever is unusual or wrong before anything was read for it is left to
 * Yoga, which says what is wrong. The answers are the same: test/server/direct.test.ts.
 */

interface Params extends DocumentParams {
  variables?: Record<string, unknown> | null;
  operationName?: string | null;
}

type MediaType = 'application/graphql-response+json' | 'application/json';

const names = new Set(['query', 'variables', 'operationName', 'extensions']);

export interface DirectDeps {
  documents: Documents;
  contextOf(asked: Asked, named?: Named): Promise<GraphContext>;
  mask: Mask;
  metrics: Metrics;
}

/**
 * Returns a function that answers a request, with these heads (names and values in turn) too, and resolves to true. False
 * means that it read nothing and leaves the request to Yoga. The request holds its body as `readText` has read it.
 */
export function createDirect({ documents, contextOf, mask, metrics }: DirectDeps) {
  /** Finds the document. For an unknown document or an anonymous request it creates the context before it parses. */
  const documentOf = async (params: Params, asked: Asked): Promise<{ document: DocumentNode; context?: GraphContext } | undefined> => {
    const text = documentText(params, documents);
    if (text === undefined) return undefined;
    const known = asked.authorization === null ? undefined : documents.find(text);
    if (known !== undefined) return known;
    const context = await contextOf(asked);
    return { document: documents.read(text, context).document, context };
  };

  const answer = async (
    document: DocumentNode, operation: OperationDefinitionNode, { variables, operationName }: Params, asked: Asked, context?: GraphContext,
  ): Promise<[Run | ExecutionResult, Language]> => {
    let language = languageOf(asked.acceptLanguage);
    try {
      const contextValue = context ?? (await contextOf(asked, namedIn(document, operation, variables)));
      ({ language } = contextValue);
      const args = { schema, document, contextValue, variableValues: variables, operationName };
      boundOperation(args, mayIntrospect);
      const heads = takeAsOf(args);
      if (heads !== undefined) await heads;
      tellLoaders(args);
      const begun = performance.now();
      const executed = await executeAdmitted(args);
      told(metrics, operation.operation, begun, hasErrors(executed));
      return [executed, language];
    } catch (error) {
      return [{ errors: [error as GraphQLError] }, language];
    }
  };

  /** Returns the answer, or undefined to leave the request to Yoga. */
  const answerTo = async (params: Params, asked: Asked): Promise<[Run | ExecutionResult, Language] | undefined> => {
    let found;
    try {
      found = await documentOf(params, asked);
    } catch (error) {
      const errors = error instanceof AggregateError ? (error.errors as GraphQLError[]) : [error as GraphQLError];
      return [{ errors }, languageOf(asked.acceptLanguage)];
    }
    if (found === undefined) return undefined;
    const operation = operationOf(found.document, params.operationName);
    if (operation === undefined || operation.operation === OperationTypeNode.SUBSCRIPTION) return undefined;
    noteOperation(asked.access, operation.operation, operation.name?.value);
    return answer(found.document, operation, params, asked, found.context);
  };

  return async (request: IncomingMessage & { body: Buffer }, response: ServerResponse, asked: Asked, heads: readonly string[]): Promise<boolean> => {
    const type = mediaTypeOf(request.headers.accept);
    if (type === undefined || request.headers['content-encoding'] !== undefined) return false;
    const params = paramsOf(request.body);
    if (params === undefined) return false;
    const answered = await answerTo(params, asked);
    if (answered === undefined) return false;
    const [executed, language] = answered;
    const head = (status: number, bytes: number) =>
      response.writeHead(status, [...heads, 'content-type', `${type}; charset=utf-8`, 'content-length', String(bytes)]);
    if (!isRun(executed) || hasErrors(executed)) {
      const result = resultOf(executed);
      const errors = result.errors?.map((error) => mask(error, language));
      const text = JSON.stringify(errors === undefined ? result : { ...result, errors: errors.map((error) => bare(error.toJSON())) });
      for (const { extensions: { http } } of errors ?? []) for (const [name, value] of Object.entries(http?.headers ?? {})) response.setHeader(name, value);
      head('data' in result ? 200 : statusOf(errors ?? [], type), Buffer.byteLength(text)).end(text);
      return true;
    }
    const { bytes, giveBack } = takeAnswer(executed);
    if (bytes.length <= small) {
      // As a text of its bytes it leaves in one piece with the head.
      head(200, bytes.length).end(bytes.toString('latin1'), 'latin1');
      giveBack();
    } else {
      // Called when all of it has left; where the asker went away it is not, and the memory is not used again.
      head(200, bytes.length).end(bytes, giveBack);
    }
    return true;
  };
}

const hasErrors = ({ errors }: Run | ExecutionResult): boolean => errors !== undefined && errors.length > 0;

/** Bytes of an answer that copying costs less than sending it apart. */
const small = 4096;

/** What is answered, by Yoga's reading of Accept: the first that fits, whatever its weight. */
function mediaTypeOf(accept: string | undefined): MediaType | undefined {
  if (accept === undefined) return 'application/json';
  for (const wish of accept.replace(/\s/g, '').toLowerCase().split(',')) {
    const [type, ...parameters] = wish.split(';');
    if (parameters.some((parameter) => parameter.includes('charset=') && parameter !== 'charset=utf-8')) continue;
    if (type === 'application/graphql-response+json') return type;
    if (type === 'application/json' || type === 'application/*' || type === '*/*') return 'application/json';
  }
  return undefined;
}

function paramsOf(body: Buffer): Params | undefined {
  let params: unknown;
  try {
    params = JSON.parse(body.toString());
  } catch {
    return undefined;
  }
  if (!isObject(params)) return undefined;
  for (const name in params) if (!names.has(name)) return undefined;
  const { query, variables, operationName, extensions } = params;
  if (![variables, extensions].every((value) => value === undefined || value === null || isObject(value))) return undefined;
  if (query !== undefined && query !== null && typeof query !== 'string') return undefined;
  if (operationName !== undefined && operationName !== null && typeof operationName !== 'string') return undefined;
  return params;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Of an answer without data; to those who did not ask for the newer media type, a wrong operation is no wrong request. */
function statusOf(errors: readonly GraphQLError[], type: MediaType): number {
  const statuses = errors.map(({ extensions: { http } }) => http);
  return Math.max(...statuses.map((http) => (http?.spec && type === 'application/json' ? 200 : (http?.status ?? 200))));
}
