import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { getOperationAST, OperationTypeNode, type ExecutionArgs, type ExecutionResult, type GraphQLError } from 'graphql';
import { CloseCode, handleProtocols, makeServer, type Context } from 'graphql-ws';
import type { YogaServerInstance } from 'graphql-yoga';
import { WebSocket, WebSocketServer } from 'ws';
import type { Loaded } from '../../auth/actors.ts';
import type { Credential } from '../../auth/tokens.ts';
import type { Message } from '../../errors.ts';
import { refusalOf } from '../../db/availability.ts';
import type { SocketSink } from '../../events/live/subscription-executor.ts';
import type { GraphContext } from '../../graphql/context.ts';
import type { Logger } from '../../logger.ts';
import { streamRefusal } from '../graphql/admission.ts';
import { authorizationIn, type ConnectionParams } from './connection-params.ts';
import type { RequestEnvelope, Documents } from '../graphql/documents.ts';
import { createFrames } from './frames.ts';
import { noteOperation } from '../access-log.ts';
import { withoutHttp, inLanguage, RequestError, type Mask } from '../errors.ts';
import { OpenSocket, OpenSockets } from './open-sockets.ts';
import type { Operation } from './operation.ts';
import type { SubscribeArgs } from '../live/subscription-execution.ts';
import { documentText } from '../graphql/persisted-queries.ts';
import type { OpenConnection } from '../stalled-connections.ts';
import { languageOf, tokenOf, UnauthenticatedError, type RequestInfo, type RequestContext } from '../request-context.ts';
import { translate } from '../translation.ts';

/** Serves GraphQL over WebSocket (graphql-transport-ws) with the same context, limits and pipeline as HTTP. */

const maxPayload = 64 * 1024;
const maxFragments = 64;
const maxOperations = 50;
const tooManyOperations: Message = [
  `В одном соединении может выполняться не больше ${maxOperations} операций сразу. Завершите лишние.`,
  `A connection may run at most ${maxOperations} operations at once. Complete some of them.`,
];
/** Unsent bytes of a client beyond which the server reads nothing from it. */
const maxBufferedBytes = 1024 * 1024;
/** Unsent bytes of a client beyond which it gets no shared results. */
const maxSharedBufferedBytes = 64 * 1024;
/** Milliseconds in which a client must answer a close frame. */
const closeTimeout = 2000;
/** Close code for temporary failures, after which clients reconnect. */
const tryAgainLater = 1013;

/** Time limits of clients, in milliseconds. */
export interface SocketTimeouts {
  /** For sending `connection_init` on a new socket. */
  init: number;
  /** For reading at least a part of the unsent bytes. */
  stalled: number;
  /** Between two checks of the accounts of idle sockets; streams check their own rights. */
  recheck?: number;
}

export const socketTimeouts = { init: 5000, stalled: 15_000, recheck: 30_000 } satisfies SocketTimeouts;

export interface Sockets {
  open(): Iterable<OpenConnection>;
  /**
   * Starts no further operation, and closes every socket with 1012 as soon as its queries and mutations are answered,
   * so that clients reconnect to another process. Disconnects the remaining sockets after `stopMs`.
   */
  close(stopMs: number): Promise<void>;
}

interface Options {
  server: Server;
  yoga: YogaServerInstance<RequestEnvelope, GraphContext>;
  documents: Documents;
  contextOf(requestInfo: RequestInfo): Promise<RequestContext>;
  requestInfoOf(request: IncomingMessage): RequestInfo;
  originAllowed(request: IncomingMessage): boolean;
  mask: Mask;
  log: Logger;
  initTimeoutMs: number;
  recheckIntervalMs: number;
  onCount(count: number): void;
  hasExpired(token: string): Promise<boolean>;
  actorsOf(credentials: readonly Credential[]): Promise<readonly Loaded[]>;
}

type ExecuteFn = (args: ExecutionArgs) => Promise<AsyncIterableIterator<ExecutionResult> | ExecutionResult>;

/** The arguments of an operation on a socket, as graphql-ws passes them from `onSubscribe` to `execute` or `subscribe`. */
interface SocketArgs extends SubscribeArgs {
  run: Record<'execute' | 'subscribe', ExecuteFn>;
  open: OpenSocket;
  operation: Operation;
}

export function serveSockets({
  server,
  yoga,
  documents,
  contextOf,
  requestInfoOf,
  originAllowed,
  mask,
  log,
  initTimeoutMs,
  recheckIntervalMs,
  onCount,
  hasExpired,
  actorsOf,
}: Options): Sockets {
  // The types of ws lack `closeTimeout`.
  const options = { noServer: true, maxPayload, maxFragments, perMessageDeflate: false, handleProtocols, closeTimeout };
  const wss = new WebSocketServer(options);
  const sockets = new OpenSockets({ initTimeoutMs, recheckIntervalMs, log, onCount, actorsOf });
  const writeFrame = createFrames();

  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    socket.on('error', () => socket.destroy());
    const requestInfo = requestInfoOf(request);
    // Destroys the socket, since the client may keep its side open.
    const refuse = (status: string, headers = '') =>
      socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n${headers}\r\n`, () => socket.destroy());
    if (request.url?.split('?')[0] !== '/graphql') refuse('404 Not Found');
    else if (!originAllowed(request)) refuse('403 Forbidden');
    else if (!sockets.mayOpen(requestInfo)) refuse('429 Too Many Requests', `Retry-After: ${Math.ceil(initTimeoutMs / 1000)}\r\n`);
    else wss.handleUpgrade(request, socket, head, (ws) => serve(new OpenSocket(ws, request.socket, requestInfo)));
  };
  server.on('upgrade', upgrade);
  const requestInfoFor = ({ requestInfo }: OpenSocket, params: ConnectionParams): RequestInfo => {
    // A page cannot set the headers of a WebSocket, so this parameter overrides the browser's own language.
    const language = params?.['accept-language'] ?? params?.acceptLanguage;
    return {
      ...requestInfo,
      acceptLanguage: typeof language === 'string' ? language : requestInfo.acceptLanguage,
      authorization: authorizationIn(params) ?? requestInfo.authorization,
    };
  };

  const formatErrors = (
    errors: readonly GraphQLError[],
    { extra, connectionParams }: Pick<Context<Record<string, unknown>, OpenSocket>, 'extra' | 'connectionParams'>,
  ) => {
    const language = languageOf(requestInfoFor(extra, connectionParams).acceptLanguage);
    return errors.map((error) => withoutHttp(inLanguage(error, language)));
  };

  const wrap =
    (name: 'execute' | 'subscribe'): ExecuteFn =>
    async (args) => {
      const { open, operation, run } = args as SocketArgs;
      let result;
      try {
        result = await run[name](args);
      } catch (error) {
        // Returns the error as a result: if it were thrown, graphql-ws would close the socket and end its other
        // operations.
        result = { errors: [mask(error, 'ru', operation.requestId)] };
      }
      if (Symbol.asyncIterator in result || result.errors === undefined) return result;
      // Without data nothing was executed, so the client may send the operation again with a new token.
      if (result.data === undefined && mustHold(open, result.errors)) return { errors: await sockets.hold(open, operation) };
      operation.fail(result.errors);
      return result;
    };

  /** Returns whether the operation failed because the socket's token has expired; clients do not get this error. */
  const mustHold = (open: OpenSocket, [error]: readonly GraphQLError[]): boolean =>
    open.hasExpired && error?.extensions.code === 'UNAUTHENTICATED';

  const protocol = makeServer<Record<string, unknown>, OpenSocket>({
    // `OpenSockets` has this timeout.
    connectionInitWaitTimeout: 0,
    execute: wrap('execute'),
    subscribe: wrap('subscribe'),
    async onConnect(ctx) {
      const { extra: open, connectionParams } = ctx;
      sockets.markInitialised(open);
      const requestInfo = requestInfoFor(open, connectionParams);
      try {
        const context = await contextOf(requestInfo);
        if (context.actor.kind !== 'anonymous') return sockets.admit(open, context);
        sockets.refuse(open, 'UNAUTHORIZED');
      } catch (error) {
        const { code } = mask(error, 'ru', open.requestId).extensions;
        if (code === 'INTERNAL') throw error;
        if (error instanceof UnauthenticatedError) {
          const token = error.reason === 'TOKEN_INVALID' ? tokenOf(requestInfo.authorization!) : undefined;
          const isExpired = error.reason === 'TOKEN_EXPIRED' || (token !== undefined && (await hasExpired(token)));
          sockets.refuse(open, isExpired ? 'TOKEN_EXPIRED' : 'UNAUTHORIZED');
        } else open.ws.close(tryAgainLater, String(code));
      }
      return false;
    },
    async onSubscribe({ extra: open, connectionParams }, id, payload) {
      const operation = sockets.startOperation(open);
      const refuse = (errors: GraphQLError[]): GraphQLError[] => {
        operation.fail(errors);
        return errors;
      };
      if (open.operations.size > maxOperations) return refuse([new RequestError('TOO_MANY_OPERATIONS', tooManyOperations)]);
      if (sockets.isStopping || open.hasExpired) return sockets.hold(open, operation);
      const requestInfo = {
        ...requestInfoFor(open, connectionParams),
        requestId: operation.requestId,
        access: operation.access,
        bytes: () => Buffer.byteLength(JSON.stringify(payload)),
      };
      const { schema, execute, subscribe, contextFactory } = yoga.getEnveloped({ requestInfo });
      try {
        const contextValue = (await contextFactory()) as unknown as RequestContext;
        const { document } = documents.read(documentText(payload, documents)!, contextValue);
        const found = getOperationAST(document, payload.operationName);
        if (!found)
          return refuse([new RequestError('OPERATION_RESOLUTION_FAILURE', translate('Could not determine what operation to execute.'))]);
        noteOperation(operation.access, found.operation, found.name?.value);
        operation.isStream = found.operation === OperationTypeNode.SUBSCRIPTION;
        const refusal = operation.isStream ? streamRefusal(contextValue) : undefined;
        if (refusal !== undefined) return refuse([refusal]);
        // The server may have started to stop meanwhile.
        if (operation.isStream && sockets.isStopping) return await sockets.hold(open, operation);
        return {
          schema,
          document,
          contextValue,
          operationName: payload.operationName,
          variableValues: payload.variables,
          run: { execute, subscribe } as SocketArgs['run'],
          sink: createSink(open, id),
          open,
          operation,
        } satisfies SocketArgs;
      } catch (error) {
        const errors = error instanceof AggregateError ? (error.errors as GraphQLError[]) : [error as GraphQLError];
        const masked = errors.map((cause) => mask(cause, languageOf(requestInfo.acceptLanguage), operation.requestId));
        return mustHold(open, masked) ? sockets.hold(open, operation) : refuse(masked);
      }
    },
    onNext: (ctx, _id, _payload, _args, { errors, ...result }) => (errors ? { ...result, errors: formatErrors(errors, ctx) } : undefined),
    onError: (ctx, _id, _payload, errors) => formatErrors(errors, ctx),
  });

  /** Returns the sink of an operation: sends each result in one write, without graphql-ws. */
  const createSink = ({ ws, socket }: OpenSocket, id: string): SocketSink => {
    const prefix = Buffer.from(`{"id":${JSON.stringify(id)},"type":"next","payload":`);
    return {
      send(bytes) {
        if (ws.readyState !== WebSocket.OPEN || socket.writableLength > maxSharedBufferedBytes) return false;
        writeFrame(socket, prefix, bytes);
        return true;
      },
    };
  };

  /** Closes a socket because of an error that belongs to no operation. */
  function fail({ ws, requestId }: OpenSocket, error: unknown): void {
    // graphql-ws throws this when a client sends a message type that only servers may send.
    if (/^Unexpected message/.test((error as Error).message)) return ws.close(CloseCode.BadRequest, 'Invalid message received');
    if (refusalOf(error) !== undefined) {
      log.warn({ err: error, requestId }, 'unavailable');
      return ws.close(tryAgainLater, 'UNAVAILABLE');
    }
    log.error({ err: error, requestId }, 'a message on a socket failed');
    ws.close(CloseCode.InternalServerError, 'Internal server error');
  }

  function serve(open: OpenSocket): void {
    const { ws, socket, requestId } = open;
    const openedAt = performance.now();
    sockets.add(open);
    // ws emits an error for an invalid frame; without a listener it would end the process.
    ws.on('error', () => undefined);
    // Stops reading from a client that does not read its results.
    const applyBackpressure = () => {
      if (ws.bufferedAmount <= maxBufferedBytes || ws.isPaused) return;
      ws.pause();
      socket.once('drain', () => ws.resume());
    };
    ws.on('pong', () => (open.isAlive = true));
    ws.on('ping', applyBackpressure);
    const closed = protocol.opened(
      {
        protocol: ws.protocol,
        send: (text) => new Promise((resolve) => (ws.readyState === ws.OPEN ? ws.send(text, () => resolve()) : resolve())),
        close: (code, reason) => ws.close(code, reason),
        onMessage: (handleMessage) =>
          ws.on('message', (data, isBinary) => {
            open.isAlive = true;
            // Ignores messages that arrive after the server has closed the socket.
            if (ws.readyState !== ws.OPEN) return;
            // ws checks that a text message is UTF-8, but not a binary one.
            if (isBinary) return ws.close(CloseCode.BadRequest, 'Invalid message received');
            void sockets.track(open, () => handleMessage((data as Buffer).toString()).catch((error: unknown) => fail(open, error)));
            applyBackpressure();
          }),
      },
      open,
    );
    ws.once('close', (code, reason) => {
      log.info(
        { requestId, method: 'GET', path: '/graphql', status: 101, ms: Math.round(performance.now() - openedAt), closeCode: code },
        'socket',
      );
      closed(code, String(reason)).catch((error: unknown) => log.error({ err: error, requestId }, 'closing a socket failed'));
    });
  }

  return {
    *open() {
      for (const open of sockets) yield { socket: open.socket, disconnect: () => open.disconnect() };
    },
    async close(stopMs) {
      server.off('upgrade', upgrade);
      await sockets.close(stopMs);
      wss.close();
    },
  };
}
