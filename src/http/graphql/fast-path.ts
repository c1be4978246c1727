import type { IncomingMessage, ServerResponse } from 'node:http';
import { OperationTypeNode, type GraphQLError } from 'graphql';
import { isExecutionState, operationOf, resultOf, takeBytes, type Executed } from '../../executor/executor.ts';
import type { ExecutionState } from '../../executor/execution-state.ts';
import { schema } from '../../graphql/schema.ts';
import { withoutHttp } from '../errors.ts';
import { languageOf } from '../request-info.ts';
import type { DocumentParams } from './documents.ts';
import type { Pipeline, RequestEnvelope } from './pipeline.ts';

interface Params extends DocumentParams {
  variables?: Record<string, unknown> | null;
  operationName?: string | null;
}

type MediaType = 'application/graphql-response+json' | 'application/json';

const parameterNames = new Set(['query', 'variables', 'operationName', 'extensions']);

/**
 * Results of at most this number of bytes are copied into a string, which Node sends in one write with the headers. For larger
 * results, the copy takes longer than a second write.
 */
const maxCopiedBytes = 4096;

/**
 * Answers the most common requests (queries and mutations that are posted as JSON) without Yoga. Takes the same steps
 * as Yoga (pipeline.ts), but creates no Fetch objects and calls no hooks, which cost more than a small response.
 * Other requests and malformed requests go to Yoga, which also reports their errors.
 * test/http/graphql/fast-path.test.ts checks that the fast path and Yoga give the same responses.
 */
export class FastPath {
  readonly #pipeline: Pipeline;

  constructor(pipeline: Pipeline) {
    this.#pipeline = pipeline;
  }

  /**
   * Answers a request and resolves to true, or resolves to false to leave the request to Yoga.
   * @param request the request, with the body that the pipeline has read.
   * @param headers of the response: names and values alternate.
   */
  async answer(
    request: IncomingMessage & { body: Buffer },
    response: ServerResponse,
    envelope: RequestEnvelope,
    headers: readonly string[],
  ): Promise<boolean> {
    const type = mediaTypeOf(request.headers.accept);
    if (type === undefined || request.headers['content-encoding'] !== undefined) return false;
    const params = paramsOf(request.body);
    if (params === undefined) return false;
    const executed = await this.#execute(params, envelope);
    if (executed === undefined) return false;
    const writeHead = (status: number, bytes: number) =>
      response.writeHead(status, [...headers, 'content-type', `${type}; charset=utf-8`, 'content-length', String(bytes)]);
    if (isExecutionState(executed) && executed.errors.length === 0) sendBytes(executed, writeHead);
    else sendResult(executed, type, response, writeHead);
    return true;
  }

  /** Returns the result, or undefined to leave the request to Yoga. */
  async #execute(params: Params, envelope: RequestEnvelope): Promise<Executed | undefined> {
    const pipeline = this.#pipeline;
    const { variables: variableValues, operationName } = params;
    try {
      const text = pipeline.findText(params);
      if (text === undefined) return undefined;
      const found = pipeline.readDocument(text, envelope);
      const { document } = found instanceof Promise ? await found : found;
      const operation = operationOf(document, operationName);
      if (operation === undefined || operation.operation === OperationTypeNode.SUBSCRIPTION) return undefined;
      const contextValue = await pipeline.createContext(envelope, operationName);
      return await pipeline.execute({ schema, document, contextValue, variableValues, operationName });
    } catch (error) {
      const { acceptLanguage, requestId } = envelope.requestInfo;
      return { errors: pipeline.maskErrors(error, languageOf(acceptLanguage), requestId) };
    }
  }
}

type WriteHead = (status: number, bytes: number) => ServerResponse;

/** Sends a result without errors: the bytes that the executor has written. */
function sendBytes(executed: ExecutionState, writeHead: WriteHead): void {
  const { bytes, release } = takeBytes(executed);
  if (bytes.length <= maxCopiedBytes) {
    // Node sends a string in one write with the headers; a latin1 string keeps the bytes.
    writeHead(200, bytes.length).end(bytes.toString('latin1'), 'latin1');
    release();
  } else {
    // Node calls `release` when it has sent everything. After a disconnection Node does not call it, so the buffer is
    // not reused.
    writeHead(200, bytes.length).end(bytes, release);
  }
}

function sendResult(executed: Executed, type: MediaType, response: ServerResponse, writeHead: WriteHead): void {
  const result = resultOf(executed);
  const { errors = [] } = result;
  const text = JSON.stringify(errors.length === 0 ? result : { ...result, errors: errors.map((error) => withoutHttp(error.toJSON())) });
  for (const { extensions } of errors)
    for (const [name, value] of Object.entries(extensions.http?.headers ?? {})) response.setHeader(name, value);
  writeHead('data' in result ? 200 : statusOf(errors, type), Buffer.byteLength(text)).end(text);
}

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
