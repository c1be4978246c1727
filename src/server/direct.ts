import type { IncomingMessage, ServerResponse } from 'node:http';
import { OperationTypeNode, type DocumentNode, type ExecutionResult, type GraphQLError, type OperationDefinitionNode } from 'graphql';
import type { YogaServerInstance } from 'graphql-yoga';
import type { Named } from '../domain/loaders.ts';
import type { Language } from '../errors.ts';
import type { GraphContext } from '../graphql/context.ts';
import { schema } from '../graphql/schema.ts';
import { executeToTape, isRun, operationOf, resultOf, takeAnswer, tellLoaders } from './execution.ts';
import { boundOperation } from './limits.ts';
import { takeAsOf } from './live.ts';
import { bare, type Mask } from './masking.ts';
import { told, type Metrics } from './metrics.ts';
import { namedIn } from './named.ts';
import { languageOf, mayIntrospect, type Asked } from './requests.ts';
import type { Run } from './run.ts';

/**
 * The short way for what nearly every request is: a query or a mutation, posted as JSON. It takes the same steps as all
 * the others, without the Fetch objects that Yoga makes of a request and a response and the hooks that it calls in
 * between, which cost more than a small answer. Whatever is unusual or wrong before anything was read for it is left to
 * Yoga, which says what is wrong. The answers are the same: test/server/direct.test.ts.
 */

interface Params {
  query: string;
  variables?: Record<string, unknown> | null;
  operationName?: string | null;
}

type MediaType = 'application/graphql-response+json' | 'application/json';

const names = new Set(['query', 'variables', 'operationName', 'extensions']);

/** Documents that are known to be valid, by their text. */
const mostKnown = 500;

export interface DirectDeps {
  yoga: YogaServerInstance<{ asked?: Asked }, GraphContext>;
  contextOf(asked: Asked, named?: Named): Promise<GraphContext>;
  mask: Mask;
  metrics: Metrics;
}

/**
 * True where it answered, with these heads (names and values in turn) too. False before anything was read for it. The
 * request holds its body, as `readText` has read it.
 */
export function createDirect({ yoga, contextOf, mask, metrics }: DirectDeps) {
  const known = new Map<string, DocumentNode>();

  /** By Yoga's parsing and validation, its limits too; undefined for what it refuses. */
  const documentOf = (text: string, asked: Asked): DocumentNode | undefined => {
    const before = known.get(text);
    if (before !== undefined) return before;
    const { schema, parse, validate } = yoga.getEnveloped({ asked });
    try {
      const document = parse(text) as DocumentNode;
      if (validate(schema, document).length > 0) return undefined;
      if (known.size >= mostKnown) known.delete(known.keys().next().value!);
      known.set(text, document);
      return document;
    } catch {
      return undefined;
    }
  };

  const answer = async (
    document: DocumentNode, operation: OperationDefinitionNode, { variables, operationName }: Params, asked: Asked,
  ): Promise<[Run | ExecutionResult, Language]> => {
    let language = languageOf(asked.acceptLanguage);
    try {
      const contextValue = await contextOf(asked, namedIn(document, operation, variables));
      ({ language } = contextValue);
      const args = { schema, document, contextValue, variableValues: variables, operationName };
      boundOperation(args, mayIntrospect);
      const heads = takeAsOf(args);
      if (heads !== undefined) await heads;
      tellLoaders(args);
      const begun = performance.now();
      const executed = await executeToTape(args);
      told(metrics, operation.operation, begun, hasErrors(executed));
      return [executed, language];
    } catch (error) {
      return [{ errors: [error as GraphQLError] }, language];
    }
  };

  return async (request: IncomingMessage & { body: Buffer }, response: ServerResponse, asked: Asked, heads: readonly string[]): Promise<boolean> => {
    const type = mediaTypeOf(request.headers.accept);
    if (type === undefined || request.headers['content-encoding'] !== undefined) return false;
    const params = paramsOf(request.body);
    if (params === undefined) return false;
    const document = documentOf(params.query, asked);
    if (document === undefined) return false;
    const operation = operationOf(document, params.operationName);
    if (operation === undefined || operation.operation === OperationTypeNode.SUBSCRIPTION) return false;
    const [executed, language] = await answer(document, operation, params, asked);
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
  if (!isObject(params) || typeof params.query !== 'string') return undefined;
  for (const name in params) if (!names.has(name)) return undefined;
  const { variables, operationName, extensions } = params;
  if (![variables, extensions].every((value) => value === undefined || value === null || isObject(value))) return undefined;
  if (operationName !== undefined && operationName !== null && typeof operationName !== 'string') return undefined;
  return params as unknown as Params;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Of an answer without data; to those who did not ask for the newer media type, a wrong operation is no wrong request. */
function statusOf(errors: readonly GraphQLError[], type: MediaType): number {
  const statuses = errors.map(({ extensions: { http } }) => http);
  return Math.max(...statuses.map((http) => (http?.spec && type === 'application/json' ? 200 : (http?.status ?? 200))));
}
