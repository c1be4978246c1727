import type { IncomingMessage, ServerResponse } from 'node:http';
import { getOperationAST, type GraphQLError, OperationTypeNode, type ExecutionResult } from 'graphql';
import type { YogaServerInstance } from 'graphql-yoga';
import type { GraphContext } from '../graphql/context.ts';
import { takeData } from './execution.ts';
import { bare, type Mask } from './masking.ts';
import type { Asked } from './requests.ts';

/**
 * The short way for what nearly every request is: a query or a mutation, posted as JSON. It passes the same plugins as
 * all the others, without the Fetch objects that Yoga makes of a request and a response and that cost more than a small
 * answer. Whatever is unusual or wrong before anything was read for it is left to Yoga, which says what is wrong. The
 * answers are the same: test/server/direct.test.ts.
 */

interface Params {
  query: string;
  variables?: Record<string, unknown> | null;
  operationName?: string | null;
}

type MediaType = 'application/graphql-response+json' | 'application/json';

const names = new Set(['query', 'variables', 'operationName', 'extensions']);

/** True where it answered. False before anything was read for it: the body is then kept on the request, for Yoga. */
export function createDirect(yoga: YogaServerInstance<{ asked?: Asked }, GraphContext>, mask: Mask) {
  return async (request: IncomingMessage & { body?: Buffer }, response: ServerResponse, asked: Asked): Promise<boolean> => {
    const type = mediaTypeOf(request.headers.accept);
    if (type === undefined || request.headers['content-encoding'] !== undefined) return false;
    const body = await bodyOf(request);
    if (body === null) return true;
    request.body = body;
    const params = paramsOf(body);
    if (params === undefined) return false;
    const { schema, parse, validate, contextFactory, execute } = yoga.getEnveloped({ asked });
    let document;
    try {
      document = parse(params.query);
    } catch {
      return false;
    }
    const operation = getOperationAST(document, params.operationName)?.operation;
    if (operation === undefined || operation === OperationTypeNode.SUBSCRIPTION || validate(schema, document).length > 0) return false;
    let result: ExecutionResult;
    try {
      const contextValue = await contextFactory();
      result = (await execute({ schema, document, contextValue, variableValues: params.variables, operationName: params.operationName })) as ExecutionResult;
    } catch (error) {
      result = { errors: [mask(error)] };
    }
    const status = 'data' in result ? 200 : statusOf(result.errors ?? [], type);
    const head = (bytes: number) => response.writeHead(status, { 'content-type': `${type}; charset=utf-8`, 'content-length': bytes });
    const taken = result.errors === undefined ? takeData(result, before, after) : undefined;
    if (taken === undefined) {
      const text = JSON.stringify(result.errors === undefined ? result : { ...result, errors: result.errors.map((error) => bare(error.toJSON())) });
      head(Buffer.byteLength(text)).end(text);
    } else {
      // Called when all of it has left; where the asker went away it is not, and the memory is not used again.
      head(taken.bytes.length).end(taken.bytes, taken.giveBack);
    }
    return true;
  };
}

const before = Buffer.from('{"data":');
const after = Buffer.from('}');

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

/** Null where whoever asked went away before all of it was there. */
function bodyOf(request: IncomingMessage): Promise<Buffer | null> {
  return new Promise((resolve) => {
    const parts: Buffer[] = [];
    request
      .on('data', (part: Buffer) => parts.push(part))
      .once('end', () => resolve(parts.length === 1 ? parts[0]! : Buffer.concat(parts)))
      .once('error', () => resolve(null));
  });
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
