import type { IncomingMessage, ServerResponse } from 'node:http';
import { refusalOf } from '../db/availability.ts';
import { takeRosterDownload } from '../domain/plans/roster-download.ts';
import { writeList } from '../roster/list-writer.ts';
import { writeOneRoster } from '../roster/one-roster-writer.ts';
import { refusalError, RequestError } from './errors.ts';
import { messages } from './messages.ts';
import { contextFor, type RequestContexts, type ServerDeps } from './request-context.ts';
import type { RequestInfo } from './request-info.ts';

/** Sends roster files: `GET /downloads/<code>`, with the link that the mutation `exportRoster` returned. */

const path = /^\/downloads\/([\w-]{1,64})$/;

/** Returns the code of the link that a request follows; undefined for other paths. */
export const downloadCodeOf = (url: string | undefined): string | undefined => path.exec(url?.split('?')[0] ?? '')?.[1];

export class DownloadRoute {
  readonly #deps: ServerDeps;
  readonly #contexts: RequestContexts;

  constructor(deps: ServerDeps, contexts: RequestContexts) {
    this.#deps = deps;
    this.#contexts = contexts;
  }

  /**
   * Writes the file to the response. A GET uses the link up, and a HEAD request, which only asks about a file, must not do
   * that. So HEAD is refused, like every method except GET and OPTIONS.
   * @throws 404 for a link that does not work, 401 for an invalid token, 405 for other methods, 429, 503.
   */
  async answer(request: IncomingMessage, response: ServerResponse, { code, info }: { code: string; info: RequestInfo }): Promise<void> {
    if (request.method === 'OPTIONS') return void response.writeHead(204, { allow: 'GET, OPTIONS' }).end();
    if (request.method !== 'GET')
      throw new RequestError('METHOD_NOT_ALLOWED', messages.notFound, { status: 405, headers: { allow: 'GET, OPTIONS' } });
    const { actor, credential, language } = await this.#contexts.authenticate(info);
    const taken = takeRosterDownload(contextFor(this.#deps, actor, info, { credential }), code);
    const { roster, school, format, fileName } = await taken.catch((error: unknown) => {
      const refusal = refusalOf(error);
      if (refusal === undefined) throw error;
      throw refusal.code === 'NOT_FOUND' ? new RequestError('NOT_FOUND', refusal.text, { status: 404 }) : refusalError(refusal, language);
    });
    response.setHeader('cache-control', 'no-store');
    response.setHeader('content-disposition', attachmentOf(fileName));
    if (format === 'LIST') {
      const bytes = writeList(roster);
      response.writeHead(200, { 'content-type': 'text/csv; charset=utf-8', 'content-length': bytes.length }).end(bytes);
      return;
    }
    response.writeHead(200, { 'content-type': 'application/zip' });
    try {
      await writeOneRoster(roster, school, response);
    } catch (error) {
      // A client that went away gets no answer.
      if (!response.destroyed) throw error;
    }
  }
}

/** Returns Content-Disposition (RFC 6266) with the name in UTF-8 (RFC 8187), and in ASCII for old clients. */
function attachmentOf(fileName: string): string {
  const encoded = encodeURIComponent(fileName).replace(/['()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
  return `attachment; filename="roster.${fileName.split('.').at(-1)}"; filename*=UTF-8''${encoded}`;
}
