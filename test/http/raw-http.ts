import { request, type IncomingHttpHeaders } from 'node:http';
import { expect } from 'vitest';
import { WebSocket, type ClientOptions } from 'ws';

/**
 * Sends raw requests and socket messages that no well-behaved client sends. Asserts that every response is well-formed.
 */

export interface Reply {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  codes: string[];
  data?: Record<string, any> | null;
  errors?: ResponseError[];
}

export interface ResponseError {
  message: string;
  path?: unknown[];
  extensions: { code: string; path?: string[] };
}

/**
 * Asserts that the status is below 500, and that every error has a code. Errors must reveal no suggestions, source
 * locations or internal values.
 */
export function expectWellFormed(
  { status, text, errors, headers }: Pick<Reply, 'status' | 'text' | 'errors' | 'headers'>,
  method = 'POST',
): void {
  expect(status, text).toBeLessThan(500);
  if (status >= 400 && method !== 'HEAD') {
    expect(headers['content-type'], text).toMatch(/json|event-stream|multipart/);
    expect(errors, text).not.toHaveLength(0);
  }
  for (const error of errors ?? []) expectWellFormedError(error);
}

function expectWellFormedError(error: ResponseError): void {
  expect(error.extensions?.code, JSON.stringify(error)).toMatch(/^[A-Z_]+$/);
  expect(Object.keys(error.extensions).filter((key) => !['code', 'path', 'clause', 'retryAfter'].includes(key))).toEqual([]);
  expect(error.message).not.toMatch(/Did you mean|node_modules|\bat .*\.[jt]s\b|prisma|invalid value "/i);
}

export interface RawRequest {
  method?: string;
  /** Path and query; the GraphQL endpoint by default. */
  path?: string;
  headers?: Record<string, string | string[]>;
  body?: string | Buffer;
  /** Sends the body with chunked encoding, without Content-Length. */
  chunked?: boolean;
}

/** Sends one request on a new connection. */
export function ask(
  url: string,
  { method = 'POST', path = '/graphql', headers = {}, body = '', chunked = false }: RawRequest,
): Promise<Reply> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const length: Record<string, string> =
      method === 'GET' || method === 'HEAD'
        ? {}
        : chunked
          ? { 'transfer-encoding': 'chunked' }
          : { 'content-length': String(Buffer.byteLength(body)) };
    const sent = request({ hostname, port, path, method, headers: { ...length, ...headers }, agent: false }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.once('error', reject);
      response.once('end', () => {
        const text = Buffer.concat(parts).toString();
        let parsed: Partial<Reply> = {};
        try {
          // If the response is an event stream, parses only its first event.
          parsed = JSON.parse(/^(?:data: )?(\{.+\})\r?$/m.exec(text)?.[1] ?? text) as Partial<Reply>;
        } catch {
          // A body that is not JSON has neither data nor errors.
        }
        const { data, errors } = parsed;
        const reply: Reply = {
          status: response.statusCode!,
          headers: response.headers,
          text,
          codes: (errors ?? []).map((error) => error.extensions?.code),
          ...(data === undefined ? {} : { data }),
          ...(errors === undefined ? {} : { errors }),
        };
        try {
          expectWellFormed(reply, method);
          resolve(reply);
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      });
    });
    sent.once('error', reject);
    if (method === 'GET' || method === 'HEAD') sent.end();
    else sent.end(body);
  });
}

export const json = (token: string, more: Record<string, string> = {}): Record<string, string> => ({
  'content-type': 'application/json',
  accept: 'application/json',
  ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
  ...more,
});

export interface Payload {
  query: string;
  variables?: object;
  operationName?: string;
}

/** Sends one operation over HTTP. */
export const overHttp = (url: string, token: string, payload: Payload, headers: Record<string, string> = {}): Promise<Outcome> =>
  ask(url, { headers: json(token, headers), body: JSON.stringify(payload) });

export type Outcome = Pick<Reply, 'codes' | 'data' | 'errors'>;

export interface Message {
  type: string;
  id?: string;
  payload?: any;
}

export interface RawSocket {
  ws: WebSocket;
  /** All messages received so far. */
  messages: Message[];
  closed: Promise<{ code: number; reason: string }>;
  send(message: object | string | Buffer): void;
  /** Waits for a message that matches; fails when the socket closes first. */
  waitForMessage(matches: (message: Message) => boolean): Promise<Message>;
  /** Runs one operation until it completes. */
  run(payload: Payload, id?: string): Promise<Outcome>;
}

/** Opens a socket that sends nothing by itself, not even `connection_init`. */
export async function openSocket(url: string, options: ClientOptions = {}, protocol = 'graphql-transport-ws'): Promise<RawSocket> {
  const ws = new WebSocket(url.replace(/^http/, 'ws'), protocol, { perMessageDeflate: false, ...options });
  const messages: Message[] = [];
  const checks = new Set<() => void>();
  let closeEvent: { code: number; reason: string } | undefined;
  ws.on('message', (data) => {
    messages.push(JSON.parse((data as Buffer).toString()) as Message);
    for (const check of [...checks]) check();
  });
  const closed = new Promise<{ code: number; reason: string }>((resolve) =>
    ws.once('close', (code, reason) => {
      closeEvent = { code, reason: String(reason) };
      resolve(closeEvent);
      for (const check of [...checks]) check();
    }),
  );
  await new Promise<void>((resolve, reject) => {
    ws.once('open', resolve);
    ws.once('error', reject);
  });
  ws.on('error', () => undefined);
  let count = 0;
  const socket: RawSocket = {
    ws,
    messages,
    closed,
    send: (message) => ws.send(typeof message === 'string' || Buffer.isBuffer(message) ? message : JSON.stringify(message)),
    waitForMessage: (matches) =>
      new Promise((resolve, reject) => {
        const check = () => {
          const found = messages.find(matches);
          if (found === undefined && closeEvent === undefined) return;
          checks.delete(check);
          if (found === undefined)
            reject(new Error(`closed with ${closeEvent!.code} ${closeEvent!.reason} after ${JSON.stringify(messages)}`));
          else resolve(found);
        };
        checks.add(check);
        check();
      }),
    async run(payload, id = `op${(count += 1)}`) {
      socket.send({ type: 'subscribe', id, payload });
      await socket.waitForMessage((message) => message.id === id && ['error', 'complete'].includes(message.type));
      const { type, payload: said } = messages.find((message) => message.id === id)!;
      const { data, errors } = (type === 'error' ? { errors: said as ResponseError[] } : said) as {
        data?: Outcome['data'];
        errors?: ResponseError[];
      };
      for (const error of errors ?? []) expectWellFormedError(error);
      return {
        codes: (errors ?? []).map((error) => error.extensions.code),
        ...(data === undefined ? {} : { data }),
        ...(errors && { errors }),
      };
    },
  };
  return socket;
}

/** Opens a socket and sends `connection_init` with the token. */
export async function openSignedIn(url: string, token: string, options: ClientOptions = {}): Promise<RawSocket> {
  const socket = await openSocket(url, options);
  socket.send({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } });
  await socket.waitForMessage(({ type }) => type === 'connection_ack');
  return socket;
}

/** Runs one operation over a new socket. */
export async function overSocket(url: string, token: string, payload: Payload, headers: Record<string, string> = {}): Promise<Outcome> {
  const socket = await openSignedIn(url, token, { headers });
  try {
    return await socket.run(payload);
  } finally {
    socket.ws.terminate();
  }
}
