import type { IncomingMessage, ServerResponse } from 'node:http';

/**
 * Handles cross-origin requests from the origins in ALLOWED_ORIGINS. Every response to them, including refusals, has
 * CORS headers: a browser hides a response without them and reports a network error instead.
 */
export interface Cors {
  /** Returns whether the request has the server's own origin, an allowed one, or none, like those of programs. */
  isAllowed(request: IncomingMessage): boolean;
  /** Returns the CORS headers of a response: names and values alternate. */
  headersFor(request: IncomingMessage): string[];
  answerPreflight(request: IncomingMessage, response: ServerResponse): void;
}

const exposed = 'x-request-id, retry-after, www-authenticate, location, allow, accept-encoding';

export function createCors(publicUrl: string, allowedOrigins: readonly string[]): Cors {
  const origins = new Set([new URL(publicUrl).origin, ...allowedOrigins]);
  return {
    isAllowed: ({ headers: { origin } }) => origin === undefined || origins.has(origin),
    headersFor({ headers: { origin } }) {
      const headers = ['vary', 'Origin, Accept-Language'];
      if (origin !== undefined && origins.has(origin))
        headers.push('access-control-allow-origin', origin, 'access-control-expose-headers', exposed);
      return headers;
    },
    /**
     * Allows the method and the headers that the page requests. This is safe: the operator trusts the origin, browsers
     * send no cookies since no response allows credentials, and a program could send any header anyway. An unsupported
     * method is refused in the response to the request itself, which the page can read.
     */
    answerPreflight({ headers }, response) {
      const names = headers['access-control-request-headers'] ?? '';
      const method = headers['access-control-request-method'] ?? '';
      if (isToken(method)) response.setHeader('access-control-allow-methods', method);
      if (names.split(',').every((name) => isToken(name.trim()))) response.setHeader('access-control-allow-headers', names);
      response.setHeader('access-control-max-age', '7200');
      response.setHeader('vary', 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers');
      response.writeHead(204).end();
    },
  };
}

/** Returns whether the text is a token (RFC 9110, 5.6.2). */
const isToken = (text: string): boolean => /^[\w!#$%&'*+.^`|~-]+$/.test(text);

export const isPreflight = ({ method, headers }: IncomingMessage): boolean =>
  method === 'OPTIONS' && headers.origin !== undefined && headers['access-control-request-method'] !== undefined;
