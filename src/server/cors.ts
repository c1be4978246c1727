import type { IncomingMessage, ServerResponse } from 'node:http';

/**
 * Cross-origin requests of the pages that ALLOWED_ORIGINS names. Every response that such a page may get, refusals too,
 * has these headers: a browser hides a response without them, and shows a network error in its place.
 */
export interface Cors {
  /** Tells whether a request is the server's own page's, an allowed one's, or a program's, which has no origin. */
  isAllowed(request: IncomingMessage): boolean;
  /** The headers of a response, names and values in turn. */
  headersFor(request: IncomingMessage): string[];
  /** Answers a preflight of an allowed origin. */
  answerPreflight(request: IncomingMessage, response: ServerResponse): void;
}

const exposed = 'x-request-id, retry-after, www-authenticate, location, allow, accept-encoding';

export function createCors(publicUrl: string, allowedOrigins: readonly string[]): Cors {
  const origins = new Set([new URL(publicUrl).origin, ...allowedOrigins]);
  return {
    isAllowed: ({ headers: { origin } }) => origin === undefined || origins.has(origin),
    headersFor({ headers: { origin } }) {
      const headers = ['vary', 'Origin, Accept-Language'];
      if (origin !== undefined && origins.has(origin)) headers.push('access-control-allow-origin', origin, 'access-control-expose-headers', exposed);
      return headers;
    },
    /**
     * Allows the method and the headers that the page asks for. Nothing is lost by that: the origin is one that the operator
     * trusts, no response allows credentials, so that cookies are neither sent nor used, and a program could send them anyway.
     * A method that is not supported is refused by the request itself, in a response that the page can read.
     */
    answerPreflight({ headers }, response) {
      const asked = headers['access-control-request-headers'] ?? '';
      const method = headers['access-control-request-method'] ?? '';
      if (isToken(method)) response.setHeader('access-control-allow-methods', method);
      if (asked.split(',').every((name) => isToken(name.trim()))) response.setHeader('access-control-allow-headers', asked);
      response.setHeader('access-control-max-age', '7200');
      response.setHeader('vary', 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers');
      response.writeHead(204).end();
    },
  };
}

/** RFC 9110, 5.6.2. */
const isToken = (text: string): boolean => /^[\w!#$%&'*+.^`|~-]+$/.test(text);

/** Tells whether a browser asks whether it may send a request. */
export const isPreflight = ({ method, headers }: IncomingMessage): boolean =>
  method === 'OPTIONS' && headers.origin !== undefined && headers['access-control-request-method'] !== undefined;
