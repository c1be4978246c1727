import type { IncomingMessage, ServerResponse } from 'node:http';
import type { GraphQLError } from 'graphql';
import { inLanguage } from './errors.ts';
import { errorPage, page, pageHeaders } from './pages/layout.ts';
import { languageOf } from './pages/texts.ts';
import { headerElements } from './request-info.ts';

/** Milliseconds that a client may continue to send its body after the response, before the connection is closed. */
const lingerMs = 5000;

export function sendResponse(response: ServerResponse, status: number, body: unknown, type = 'application/json'): void {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  response.writeHead(status, { 'content-type': `${type}; charset=utf-8`, 'cache-control': 'no-store' }).end(text);
}

/** Sets headers and returns the response. @param headers names and values alternate. */
export function withHeaders(response: ServerResponse, headers: readonly string[]): ServerResponse {
  for (let n = 0; n < headers.length; n += 2) response.setHeader(headers[n]!, headers[n + 1]!);
  return response;
}

/** Sends an error in the language of the request: as a page if the client prefers HTML, otherwise as JSON. */
export function sendError(request: IncomingMessage, response: ServerResponse, error: GraphQLError): void {
  const language = languageOf(request);
  const {
    message,
    extensions: { code, http },
  } = inLanguage(error, language);
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
 * Sends the response at once. Closes the connection when the client has stopped sending, or after `lingerMs`. A
 * connection that is closed while bytes arrive is reset, and the client may then lose the response.
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
 * Returns whether the client prefers HTML to JSON, like a browser that opens a page or posts a form. `/graphql` never
 * answers with a page.
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
