import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { GraphQLError, type ExecutionArgs } from 'graphql';
import { CloseCode } from 'graphql-ws';
import { useServer } from 'graphql-ws/use/ws';
import type { YogaServerInstance } from 'graphql-yoga';
import { WebSocketServer, type WebSocket } from 'ws';
import type { GraphContext } from '../graphql/context.ts';
import type { Logger } from '../log.ts';
import type { Asked } from './requests.ts';

/** GraphQL over WebSocket (graphql-transport-ws), through the same pipeline as HTTP: one context, one set of limits. */

/** Bytes of a message from a client. */
const maxPayload = 64 * 1024;
const maxOperations = 50;
/** Milliseconds after which a client that takes nothing of what was sent to it is cut. */
const stalledAfter = 15_000;
/** Close codes: of this server's going away, and of a client too slow to follow (it comes back with its cursor). */
const goingAway = 1012;
const tooSlow = 1013;

export interface Sockets {
  /** Ends every socket with 1012, so that clients come back to another process. */
  close(): Promise<void>;
}

interface Options {
  server: Server;
  yoga: YogaServerInstance<{ asked?: Asked }, GraphContext>;
  askedOf(request: IncomingMessage): Asked;
  originAllowed(request: IncomingMessage): boolean;
  log: Logger;
  opened(count: number): void;
}

export function serveSockets({ server, yoga, askedOf, originAllowed, log, opened }: Options): Sockets {
  const wss = new WebSocketServer({ noServer: true, maxPayload, maxFragments: 64, perMessageDeflate: false } as object);
  const operations = new WeakMap<WebSocket, Set<string>>();

  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    socket.on('error', () => socket.destroy());
    const refuse = (status: string) => socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    if (request.url?.split('?')[0] !== '/graphql') refuse('404 Not Found');
    else if (!originAllowed(request)) refuse('403 Forbidden');
    else
      wss.handleUpgrade(request, socket, head, (ws) => {
        // A broken frame is the client's; without a listener it would end the process.
        ws.on('error', () => undefined);
        wss.emit('connection', ws, request);
      });
  };
  server.on('upgrade', upgrade);
  wss.on('connection', (ws) => {
    opened(wss.clients.size);
    ws.once('close', () => opened(wss.clients.size));
  });

  const askedOn = (request: IncomingMessage, params: Readonly<Record<string, unknown>> | undefined): Asked => {
    const given = params?.authorization ?? params?.Authorization ?? params?.token;
    const text = typeof given === 'string' ? given : null;
    const asked = askedOf(request);
    return {
      ...asked,
      requestId: null,
      authorization: text === null ? asked.authorization : /^bearer /i.test(text) ? text : `Bearer ${text}`,
    };
  };

  const served = useServer<Record<string, unknown>, { socket: WebSocket; request: IncomingMessage }>(
    {
      connectionInitWaitTimeout: 10_000,
      execute: (args) => (args.rootValue as ExecutionArgs['rootValue'] & { execute: (a: unknown) => never }).execute(args),
      subscribe: (args) => (args.rootValue as { subscribe: (a: unknown) => never }).subscribe(args),
      async onConnect({ extra, connectionParams }) {
        try {
          const asked = askedOn(extra.request, connectionParams);
          const { contextFactory } = yoga.getEnveloped({ asked });
          const ctx = await contextFactory();
          if (ctx.actor.kind !== 'anonymous') return true;
        } catch (error) {
          if (!(error instanceof GraphQLError)) throw error;
        }
        extra.socket.close(CloseCode.Unauthorized, 'Unauthorized');
        return false;
      },
      async onSubscribe({ extra, connectionParams }, id, payload) {
        const open = operations.get(extra.socket) ?? new Set();
        operations.set(extra.socket, open);
        if (open.size >= maxOperations)
          return [new GraphQLError(`A socket has at most ${maxOperations} operations.`, { extensions: { code: 'TOO_MANY_OPERATIONS' } })];
        const asked = askedOn(extra.request, connectionParams);
        const { schema, execute, subscribe, contextFactory, parse, validate } = yoga.getEnveloped({ asked });
        try {
          const contextValue = await contextFactory();
          const document = parse(payload.query);
          const errors = validate(schema, document);
          if (errors.length > 0) return errors;
          open.add(id);
          return {
            schema, document, contextValue,
            operationName: payload.operationName,
            variableValues: payload.variables,
            rootValue: { execute, subscribe },
          };
        } catch (error) {
          if (error instanceof GraphQLError) return [error];
          throw error;
        }
      },
      onComplete: ({ extra }, id) => void operations.get(extra.socket)?.delete(id),
      onError: ({ extra }, id) => void operations.get(extra.socket)?.delete(id),
    },
    wss,
  );

  const progress = new WeakMap<WebSocket, { drained: number; since: number }>();
  const watch = setInterval(() => {
    const now = Date.now();
    for (const ws of wss.clients) {
      const { bytesWritten = 0 } = (ws as unknown as { _socket?: { bytesWritten: number } })._socket ?? {};
      const drained = bytesWritten - ws.bufferedAmount;
      const before = progress.get(ws);
      if (ws.bufferedAmount === 0 || before === undefined || before.drained !== drained) progress.set(ws, { drained, since: now });
      else if (now - before.since > stalledAfter) {
        log.info('a socket that stalled was cut');
        ws.close(tooSlow, 'Too slow: come back with your cursor');
        ws.terminate();
      }
    }
  }, 1000);

  return {
    async close() {
      clearInterval(watch);
      server.off('upgrade', upgrade);
      for (const ws of wss.clients) ws.close(goingAway, 'Service restart');
      const deadline = Date.now() + 2000;
      while (wss.clients.size > 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
      for (const ws of wss.clients) ws.terminate();
      await served.dispose();
    },
  };
}
