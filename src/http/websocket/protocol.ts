import {
  getOperationAST,
  OperationTypeNode,
  type ExecutionArgs,
  type ExecutionResult,
  type GraphQLError,
  type GraphQLFormattedError,
} from 'graphql';
import { makeServer, type Context, type Server, type SubscribePayload } from 'graphql-ws';
import type { Message } from '../../errors.ts';
import type { SocketSink } from '../../events/live/subscription-executor.ts';
import { resultOf } from '../../executor/executor.ts';
import { schema } from '../../graphql/schema.ts';
import { inLanguage, RequestError, withoutHttp, type Mask } from '../errors.ts';
import { streamRefusal, type Results } from '../graphql/counted-streams.ts';
import type { Pipeline, RequestEnvelope } from '../graphql/pipeline.ts';
import { tokenOf, UnauthenticatedError, type RequestContext } from '../request-context.ts';
import { languageOf, type RequestInfo } from '../request-info.ts';
import { translate } from '../translation.ts';
import { authorizationIn, type ConnectionParams } from './connection-params.ts';
import { tryAgainLater, type OpenSocket, type OpenSockets } from './open-sockets.ts';
import type { Operation } from './operation.ts';
import { FrameSink, FrameWriter } from './frame-sink.ts';

/** Runs the operations of sockets by graphql-ws, with the same context, limits and pipeline as HTTP. */

const maxOperations = 50;
const tooManyOperations: Message = [
  `В одном соединении может выполняться не больше ${maxOperations} операций сразу. Завершите лишние.`,
  `A connection may run at most ${maxOperations} operations at once. Complete some of them.`,
];

type SocketContext = Context<Record<string, unknown>, OpenSocket>;

/** An operation, the socket that it runs on, and the id that the client has given it. */
interface SocketOperation {
  id: string;
  open: OpenSocket;
  operation: Operation;
}

/** The arguments of an operation, as graphql-ws passes them from `onSubscribe` to `execute` or `subscribe`. */
interface SocketOperationArgs extends ExecutionArgs, SocketOperation {
  contextValue: RequestContext;
  sink?: SocketSink;
}

export interface ProtocolOptions {
  sockets: OpenSockets;
  pipeline: Pipeline;
  hasExpired(token: string): Promise<boolean>;
  mask: Mask;
}

/** Creates the server side of graphql-transport-ws. */
export function createProtocol(options: ProtocolOptions): Server<OpenSocket> {
  const handlers = new ProtocolHandlers(options);
  return makeServer<Record<string, unknown>, OpenSocket>({
    // Turns off the timeout of graphql-ws, because `OpenSockets` has its own timeout.
    connectionInitWaitTimeout: 0,
    execute: (args) => handlers.run(args as SocketOperationArgs),
    subscribe: (args) => handlers.run(args as SocketOperationArgs),
    onConnect: (ctx) => handlers.connect(ctx),
    onSubscribe: (ctx, id, payload) => handlers.start(ctx, id, payload),
    onNext: (ctx, ...[, , , { errors, ...result }]) => (errors ? { ...result, errors: formatErrors(errors, ctx) } : undefined),
    onError: (ctx, _id, _payload, errors) => formatErrors(errors, ctx),
  });
}

function requestInfoFor({ requestInfo }: OpenSocket, params: ConnectionParams): RequestInfo {
  // A page cannot set the headers of a WebSocket, so this parameter overrides the browser's own language.
  const language = params?.['accept-language'] ?? params?.acceptLanguage;
  return {
    ...requestInfo,
    acceptLanguage: typeof language === 'string' ? language : requestInfo.acceptLanguage,
    authorization: authorizationIn(params) ?? requestInfo.authorization,
  };
}

function formatErrors(errors: readonly GraphQLError[], { extra, connectionParams }: SocketContext): GraphQLFormattedError[] {
  const language = languageOf(requestInfoFor(extra, connectionParams).acceptLanguage);
  return errors.map((error) => withoutHttp(inLanguage(error, language)));
}

/**
 * Returns whether the operation failed because the socket's token has expired. The operation is then held
 * (`OpenSockets.hold`).
 */
const mustHold = (open: OpenSocket, [error]: readonly GraphQLError[]): boolean =>
  open.hasExpired && error?.extensions.code === 'UNAUTHENTICATED';

class ProtocolHandlers {
  readonly #options: ProtocolOptions;
  readonly #frames = new FrameWriter();

  constructor(options: ProtocolOptions) {
    this.#options = options;
  }

  /** Admits a socket by the credential in its `connection_init`, or closes it. */
  async connect({ extra: open, connectionParams }: SocketContext): Promise<boolean> {
    const { sockets, pipeline } = this.#options;
    sockets.markInitialised(open);
    const requestInfo = requestInfoFor(open, connectionParams);
    try {
      const authenticated = await pipeline.authenticate({ requestInfo });
      if (authenticated.actor.kind !== 'anonymous') return sockets.admit(open, authenticated);
      sockets.refuse(open, 'UNAUTHORIZED');
    } catch (error) {
      await this.#refuse(open, requestInfo, error);
    }
    return false;
  }

  async #refuse(open: OpenSocket, { authorization }: RequestInfo, error: unknown): Promise<void> {
    const { sockets, mask, hasExpired } = this.#options;
    const { code } = mask(error, 'ru', open.requestId).extensions;
    if (code === 'INTERNAL') throw error;
    if (!(error instanceof UnauthenticatedError)) return open.close([tryAgainLater, String(code)]);
    const token = error.reason === 'TOKEN_INVALID' ? tokenOf(authorization!) : undefined;
    const isExpired = error.reason === 'TOKEN_EXPIRED' || (token !== undefined && (await hasExpired(token)));
    sockets.refuse(open, isExpired ? 'TOKEN_EXPIRED' : 'UNAUTHORIZED');
  }

  /** Starts the operation of a `subscribe` message. Returns its arguments, or the errors that refuse it. */
  async start(
    { extra: open, connectionParams }: SocketContext,
    id: string,
    payload: SubscribePayload,
  ): Promise<SocketOperationArgs | GraphQLError[]> {
    const { sockets, pipeline } = this.#options;
    const operation = sockets.startOperation(open);
    if (open.operations.size > maxOperations) return operation.refuse([new RequestError('TOO_MANY_OPERATIONS', tooManyOperations)]);
    if (sockets.isStopping || open.hasExpired) return sockets.hold(open, operation);
    const requestInfo = {
      ...requestInfoFor(open, connectionParams),
      requestId: operation.requestId,
      access: operation.access,
      bytes: () => Buffer.byteLength(JSON.stringify(payload)),
    };
    try {
      return await this.#prepare({ id, open, operation }, requestInfo, payload);
    } catch (error) {
      const masked = pipeline.maskErrors(error, languageOf(requestInfo.acceptLanguage), operation.requestId);
      return mustHold(open, masked) ? sockets.hold(open, operation) : operation.refuse(masked);
    }
  }

  async #prepare(
    target: SocketOperation,
    requestInfo: RequestInfo,
    payload: SubscribePayload,
  ): Promise<SocketOperationArgs | GraphQLError[]> {
    const { sockets, pipeline } = this.#options;
    const { id, open, operation } = target;
    const { operationName, variables: variableValues } = payload;
    const envelope: RequestEnvelope = { requestInfo };
    await pipeline.authenticate(envelope);
    const { document } = await pipeline.readDocument(pipeline.findText(payload)!, envelope);
    const node = getOperationAST(document, operationName);
    if (!node)
      return operation.refuse([
        new RequestError('OPERATION_RESOLUTION_FAILURE', translate('Could not determine what operation to execute.')),
      ]);
    const contextValue = await pipeline.createContext(envelope, operationName);
    const args = { ...target, schema, document, contextValue, operationName, variableValues };
    if (node.operation !== OperationTypeNode.SUBSCRIPTION) return args;
    operation.isStream = true;
    const refusal = streamRefusal(contextValue);
    if (refusal !== undefined) return operation.refuse([refusal]);
    // The server may have begun to stop while the operation was being prepared.
    if (sockets.isStopping) return sockets.hold(open, operation);
    return { ...args, sink: new FrameSink(open, id, this.#frames) };
  }

  /** Executes an operation, or opens its stream. */
  async run(args: SocketOperationArgs): Promise<Results | ExecutionResult> {
    const { open, operation } = args;
    const { sockets, pipeline } = this.#options;
    const result = operation.isStream ? await pipeline.subscribe(args) : resultOf(await pipeline.execute(args));
    if (Symbol.asyncIterator in result || result.errors === undefined) return result;
    // A result without data means that nothing was executed. So the client may safely send the operation again with a new
    // token.
    if (result.data === undefined && mustHold(open, result.errors)) return { errors: await sockets.hold(open, operation) };
    operation.fail(result.errors);
    return result;
  }
}
