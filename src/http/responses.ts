import type { IncomingMessage, ServerResponse } from 'node:http';
import type { GraphQLError } from 'graphql';
import { inLanguage } from './errors.ts';
import { headerElements } from './header-elements.ts';
import { errorPage, page, pageHeaders } from './pages/layout.ts';
import { languageOf } from './pages/texts.ts';

/** Responses that are not GraphQL results. */

/** Milliseconds that a client has to read a response while it is still sending its body. */
const lingerMs = 5000;

export function sendResponse(response: ServerResponse, status: number, body: unknown, type = 'application/json'): void {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  response.writeHead(status, { 'content-type': `${type}; charset=utf-8`, 'cache-control': 'no-store' }).end(text);
}

/** Sets headers, names and values in turn, and returns the response. */
export function withHeaders(response: ServerResponse, heads: readonly string[]): ServerResponse {
  for (let n = 0; n < heads.length; n += 2) response.setHeader(heads[n]!, heads[n + 1]!);
  return response;
}

/** Sends an error in the language of the request: a page to a browser that opens the address, JSON to programs. */
export function sendError(request: IncomingMessage, response: ServerResponse, error: GraphQLError): void {
  const language = languageOf(request);
  const { message, extensions: { code, http } } = inLanguage(error, language);
  const status = http?.status ?? 400;
  const isPage = prefersPage(request);
  const text = isPage
    ? page(errorPage(language, message, request.headers['x-request-id'] as string | undefined))
    : JSON.stringify({ errors: [{ message, extensions: { code } }] });
  response.writeHead(status, {
    ...(isPage ? pageHeaders() : { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' }),
    'content-language': language,
    'content-length': Buffer.byteLength(text),
    ...http?.headers,
    ...(status === 413 && { connection: 'close' }),
  });
  if (status === 413 || http?.headers?.connection === 'close') linger(request, response, text);
  else response.end(text);
}

/**
 * Answers at once and closes the connection a little later, once the client has stopped sending: a connection that is closed
 * while bytes arrive is reset, and the reset overtakes the answer.
 */
function linger(request: IncomingMessage, response: ServerResponse, text: string): void {
  response.write(text);
  const end = (): void => {
    clearTimeout(timer);
    response.end();
  };
  const timer = setTimeout(end, lingerMs);
  request.once('end', end).once('close', end).resume();
}

/**
 * Returns whether the client prefers HTML to JSON, as a browser does that opens an address or posts a form. `/graphql` is
 * for programs.
 */
export const prefersPage = ({ url, headers: { accept = '' } }: IncomingMessage): boolean =>
  url?.split('?')[0] !== '/graphql' && weightOf(accept, 'text/html') > weightOf(accept, 'application/json');

/** Returns the weight (RFC 9110, 12.4.2) of a media type in Accept; zero if it is missing. */
function weightOf(accept: string, type: string): number {
  const range = headerElements(accept).find(([name]) => name === type);
  if (range === undefined) return 0;
  const quality = range.find((parameter) => parameter.startsWith('q='));
  return quality === undefined ? 1 : Number(quality.slice(2));
}
