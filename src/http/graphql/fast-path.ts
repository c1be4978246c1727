import type { IncomingMessage, ServerResponse } from 'node:http';
import { OperationTypeNode, type DocumentNode, type ExecutionResult, type GraphQLError, type OperationDefinitionNode } from 'graphql';
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
import { documentText, type DocumentParams } from './persisted-queries.ts';
import { languageOf, mayIntrospect, type RequestInfo } from '../request-context.ts';
import type { ExecutionState } from '../../executor/execution-state.ts';

/**
 * Answers the most common requests, queries and mutations that are posted as JSON, without Yoga. It takes the same
 * steps as Yoga's pipeline, but creates no Fetch objects and calls no hooks, which cost more than a small response.
 * Requests of any other form, and malformed ones, go to Yoga, which also reports their errors.
 * test/http/graphql/fast-path.test.ts checks that both give the same responses.
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

const parameterNames = new Set(['query', 'variables', 'operationName', 'extensions']);

export interface FastPathDeps {
  documents: Documents;
  contextOf(requestInfo: RequestInfo): Promise<GraphContext>;
  mask: Mask;
  metrics: Metrics;
}

/**
 * Returns a function that answers a request and resolves to true, or resolves to false to leave the request to Yoga. It
 * sends the passed headers (names and values alternate) with the response. `request.body` is the body that `readText`
 * returned.
 */
export function createFastPath({ documents, contextOf, mask, metrics }: FastPathDeps) {
  /**
   * Finds the document. For an unknown document or an anonymous request, it creates the context before parsing and
   * stores it in the envelope for Yoga: a second context would count as a second operation.
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

  const execute = async (
    document: DocumentNode,
    operation: OperationDefinitionNode,
    { variables, operationName }: Params,
    requestInfo: RequestInfo,
    context?: GraphContext,
  ): Promise<[ExecutionState | ExecutionResult, Language]> => {
    let language = languageOf(requestInfo.acceptLanguage);
    try {
      const contextValue = context ?? (await contextOf(requestInfo));
      ({ language } = contextValue);
      const args = { schema, document, contextValue, variableValues: variables, operationName };
      boundOperation(args, mayIntrospect);
      const cursors = takeAsOf(args);
      if (cursors !== undefined) await cursors;
      passSelection(args);
      const startedAt = performance.now();
      const executed = await executeAdmitted(args);
      recordOperation(metrics, operation.operation, startedAt, hasErrors(executed));
      return [executed, language];
    } catch (error) {
      return [{ errors: [error as GraphQLError] }, language];
    }
  };

  /** Returns the result and its language, or undefined to leave the request to Yoga. */
  const resultFor = async (
    params: Params,
    envelope: RequestEnvelope,
  ): Promise<[ExecutionState | ExecutionResult, Language] | undefined> => {
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
    return execute(found.document, operation, params, requestInfo, found.context);
  };

  return async (
    request: IncomingMessage & { body: Buffer },
    response: ServerResponse,
    envelope: RequestEnvelope,
    headers: readonly string[],
  ): Promise<boolean> => {
    const type = mediaTypeOf(request.headers.accept);
    if (type === undefined || request.headers['content-encoding'] !== undefined) return false;
    const params = paramsOf(request.body);
    if (params === undefined) return false;
    const outcome = await resultFor(params, envelope);
    if (outcome === undefined) return false;
    const [executed, language] = outcome;
    const writeHead = (status: number, bytes: number) =>
      response.writeHead(status, [...headers, 'content-type', `${type}; charset=utf-8`, 'content-length', String(bytes)]);
    if (!isExecutionState(executed) || hasErrors(executed)) {
      const result = resultOf(executed);
      const errors = result.errors?.map((error) => mask(error, language, envelope.requestInfo.requestId));
      const text = JSON.stringify(
        errors === undefined ? result : { ...result, errors: errors.map((error) => withoutHttp(error.toJSON())) },
      );
      for (const {
        extensions: { http },
      } of errors ?? [])
        for (const [name, value] of Object.entries(http?.headers ?? {})) response.setHeader(name, value);
      writeHead('data' in result ? 200 : statusOf(errors ?? [], type), Buffer.byteLength(text)).end(text);
      return true;
    }
    const { bytes, release } = takeBytes(executed);
    if (bytes.length <= maxCopiedBytes) {
      // Node sends a string in one write with the headers; a latin1 string keeps the bytes.
      writeHead(200, bytes.length).end(bytes.toString('latin1'), 'latin1');
      release();
    } else {
      // Node calls `release` when it has sent everything. After a disconnection it does not, and the buffer is not
      // reused.
      writeHead(200, bytes.length).end(bytes, release);
    }
    return true;
  };
}

const hasErrors = ({ errors }: ExecutionState | ExecutionResult): boolean => errors !== undefined && errors.length > 0;

/** Size in bytes up to which copying a result costs less than a second write. */
const maxCopiedBytes = 4096;

/** Returns the media type of the response. Reads Accept like Yoga: takes the first type that fits, ignoring weights. */
function mediaTypeOf(accept: string | undefined): MediaType | undefined {
  if (accept === undefined) return 'application/json';
  for (const range of accept.replace(/\s/g, '').toLowerCase().split(',')) {
    const [type, ...parameters] = range.split(';');
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
  for (const name in params) if (!parameterNames.has(name)) return undefined;
  const { query, variables, operationName, extensions } = params;
  if (![variables, extensions].every((value) => value === undefined || value === null || isObject(value))) return undefined;
  if (query !== undefined && query !== null && typeof query !== 'string') return undefined;
  if (operationName !== undefined && operationName !== null && typeof operationName !== 'string') return undefined;
  return params;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Returns the status of a response without data. Errors with `http.spec` have 200 for `application/json`. */
function statusOf(errors: readonly GraphQLError[], type: MediaType): number {
  const statuses = errors.map(({ extensions: { http } }) => http);
  return Math.max(...statuses.map((http) => (http?.spec && type === 'application/json' ? 200 : (http?.status ?? 200))));
}
