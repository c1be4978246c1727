import type { IncomingMessage, ServerResponse } from 'node:http';
import { OperationTypeNode, type DocumentNode, type ExecutionResult, type GraphQLError, type OperationDefinitionNode } from 'graphql';
import type { PrefetchTargets } from '../../domain/loaders.ts';
import type { Language } from '../../errors.ts';
import type { GraphContext } from '../../graphql/context.ts';
import { schema } from '../../graphql/schema.ts';
import { noteOperation } from '../access-log.ts';
import { executeAdmitted } from './admission.ts';
import type { Documents, RequestEnvelope } from './documents.ts';
import { isExecutionState, operationOf, resultOf, takeBytes } from '../../executor/executor.ts';
import { boundOperation } from './limits.ts';
import { takeAsOf } from '../live/subscription-execution.ts';
import { withoutHttp, type Mask } from '../errors.ts';
import { recordOperation, type Metrics } from '../metrics.ts';
import { passSelection } from './selection.ts';
import { prefetchTargets } from './prefetch.ts';
import { documentText, type DocumentParams } from './persisted-queries.ts';
import { languageOf, mayIntrospect, type RequestInfo } from '../request-context.ts';
import type { ExecutionState } from '../../executor/execution-state.ts';

/**
 * The short way for what nearly every request is: a query or a mutation, posted as JSON. It takes the same steps as all
 * the others, without the Fetch objects that Yoga makes of a request and a response and the hooks that it calls in
 * between, which cost more than a small answer. Whatever is unusual or wrong before anything was read for it is left to
 * Yoga, which says what is wrong. The answers are the same: test/http/graphql/fast-path.test.ts.
 */

interface Params extends DocumentParams {
  variables?: Record<string, unknown> | null;
  operationName?: string | null;
}

interface FoundDocument {
  document: DocumentNode;
  context?: GraphContext;
}

type MediaType = 'application/graphql-response+json' | 'application/json';

const names = new Set(['query', 'variables', 'operationName', 'extensions']);

export interface FastPathDeps {
  documents: Documents;
  contextOf(requestInfo: RequestInfo, named?: PrefetchTargets): Promise<GraphContext>;
  mask: Mask;
  metrics: Metrics;
}

/**
 * Returns a function that answers a request, with these heads (names and values in turn) too, and resolves to true. False
 * means that it read nothing and leaves the request to Yoga. The request holds its body as `readText` has read it.
 */
export function createFastPath({ documents, contextOf, mask, metrics }: FastPathDeps) {
  /**
   * Finds the document. For an unknown document or an anonymous request it creates the context before it parses, and leaves
   * it in the envelope for Yoga: another one would be counted as another operation.
   */
  const documentOf = (params: Params, envelope: RequestEnvelope): FoundDocument | Promise<FoundDocument> | undefined => {
    const text = documentText(params, documents);
    if (text === undefined) return undefined;
    const known = envelope.requestInfo.authorization === null ? undefined : documents.find(text);
    return known ?? readDocument(text, envelope);
  };

  const readDocument = async (text: string, envelope: RequestEnvelope): Promise<FoundDocument> => {
    const context = (envelope.admitted = await contextOf(envelope.requestInfo));
    return { document: documents.read(text, context).document, context };
  };

  const answer = async (
    document: DocumentNode, operation: OperationDefinitionNode, { variables, operationName }: Params, requestInfo: RequestInfo, context?: GraphContext,
  ): Promise<[ExecutionState | ExecutionResult, Language]> => {
    let language = languageOf(requestInfo.acceptLanguage);
    try {
      const contextValue = context ?? (await contextOf(requestInfo, prefetchTargets(document, operation, variables)));
      ({ language } = contextValue);
      const args = { schema, document, contextValue, variableValues: variables, operationName };
      boundOperation(args, mayIntrospect);
      const heads = takeAsOf(args);
      if (heads !== undefined) await heads;
      passSelection(args);
      const begun = performance.now();
      const executed = await executeAdmitted(args);
      recordOperation(metrics, operation.operation, begun, hasErrors(executed));
      return [executed, language];
    } catch (error) {
      return [{ errors: [error as GraphQLError] }, language];
    }
  };

  /** Returns the answer, or undefined to leave the request to Yoga. */
  const answerTo = async (params: Params, envelope: RequestEnvelope): Promise<[ExecutionState | ExecutionResult, Language] | undefined> => {
    const { requestInfo } = envelope;
    let found;
    try {
      found = documentOf(params, envelope);
      if (found instanceof Promise) found = await found;
    } catch (error) {
      const errors = error instanceof AggregateError ? (error.errors as GraphQLError[]) : [error as GraphQLError];
      return [{ errors }, languageOf(requestInfo.acceptLanguage)];
    }
    if (found === undefined) return undefined;
    const operation = operationOf(found.document, params.operationName);
    if (operation === undefined || operation.operation === OperationTypeNode.SUBSCRIPTION) return undefined;
    noteOperation(requestInfo.access, operation.operation, operation.name?.value);
    return answer(found.document, operation, params, requestInfo, found.context);
  };

  return async (request: IncomingMessage & { body: Buffer }, response: ServerResponse, envelope: RequestEnvelope, heads: readonly string[]): Promise<boolean> => {
    const type = mediaTypeOf(request.headers.accept);
    if (type === undefined || request.headers['content-encoding'] !== undefined) return false;
    const params = paramsOf(request.body);
    if (params === undefined) return false;
    const answered = await answerTo(params, envelope);
    if (answered === undefined) return false;
    const [executed, language] = answered;
    const head = (status: number, bytes: number) =>
      response.writeHead(status, [...heads, 'content-type', `${type}; charset=utf-8`, 'content-length', String(bytes)]);
    if (!isExecutionState(executed) || hasErrors(executed)) {
      const result = resultOf(executed);
      const errors = result.errors?.map((error) => mask(error, language, envelope.requestInfo.requestId));
      const text = JSON.stringify(errors === undefined ? result : { ...result, errors: errors.map((error) => withoutHttp(error.toJSON())) });
      for (const { extensions: { http } } of errors ?? []) for (const [name, value] of Object.entries(http?.headers ?? {})) response.setHeader(name, value);
      head('data' in result ? 200 : statusOf(errors ?? [], type), Buffer.byteLength(text)).end(text);
      return true;
    }
    const { bytes, release } = takeBytes(executed);
    if (bytes.length <= maxCopiedBytes) {
      // As a text of its bytes it leaves in one piece with the head.
      head(200, bytes.length).end(bytes.toString('latin1'), 'latin1');
      release();
    } else {
      // Called when all of it has left; where the asker went away it is not, and the memory is not used again.
      head(200, bytes.length).end(bytes, release);
    }
    return true;
  };
}

const hasErrors = ({ errors }: ExecutionState | ExecutionResult): boolean => errors !== undefined && errors.length > 0;

/** Bytes of an answer that copying costs less than sending it apart. */
const maxCopiedBytes = 4096;

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
