import type { IncomingMessage, ServerResponse } from 'node:http';
import { posix } from 'node:path';
import { refusalOf } from '../db/availability.ts';
import type { Logger } from '../logger.ts';
import { RequestError } from './errors.ts';
import { statusOf } from './pages/forms.ts';
import { homePage } from './pages/home.ts';
import { notice, refused, sendPage, unavailablePage } from './pages/layout.ts';
import type { Visit } from './pages/parts.ts';
import { languageOf } from './pages/texts.ts';
import { prefersPage, sendError } from './responses.ts';

/** Answers requests for pages, and reports errors as pages. */

type Method = 'GET' | 'POST';

/** A path, its methods, and the page that answers them. The page gets the text of the path's capture group as `id`. */
export type PageRoute = readonly [path: RegExp, methods: readonly Method[], answer: (visit: Visit, id: string) => void | Promise<void>];

export class PageRouter {
  readonly #pages: readonly PageRoute[];
  readonly #log: Logger;

  constructor(pages: readonly PageRoute[], log: Logger) {
    this.#pages = pages;
    this.#log = log;
  }

  /** Answers a request with its page. Resolves to false for a path without a page. */
  async answer(req: IncomingMessage, res: ServerResponse): Promise<boolean> {
    if (!URL.canParse(req.url ?? '', 'http://here')) return false;
    const url = new URL(req.url ?? '', 'http://here');
    const found = this.#pages.find(([path]) => path.test(url.pathname));
    if (found === undefined) return false;
    const [path, methods, answer] = found;
    // The home page is for browsers: a program that requests `/` gets 404.
    if (answer === homePage && !prefersPage(req)) return false;
    const language = languageOf(req);
    const method = req.method === 'HEAD' ? 'GET' : req.method;
    if (!methods.includes(method as Method)) {
      res.setHeader('allow', [...methods, ...(methods.includes('GET') ? ['HEAD'] : []), 'OPTIONS'].join(', '));
      if (method === 'OPTIONS') res.writeHead(204).end();
      else sendPage(res, 405, notice(language, 'wrongTitle', 'notFound'));
      return true;
    }
    try {
      await answer({ req, res, url, language }, path.exec(url.pathname)![1] ?? '');
    } catch (err) {
      this.fail(req, res, err);
    }
    return true;
  }

  /**
   * Returns the path of a page to open after a failed request: the same path, or for a form the nearest parent path
   * with a page.
   */
  #pageNear(req: IncomingMessage): string {
    const { pathname, search } = new URL(req.url ?? '', 'http://here');
    if (req.method === 'GET' || req.method === 'HEAD') return `${pathname}${search}`;
    let path = pathname;
    while (!this.#pages.some(([pattern, methods]) => methods.includes('GET') && pattern.test(path))) path = posix.dirname(path);
    return `${path}${search}`;
  }

  /** Answers an error with a page. Leaves the path out of the log, because the path may contain a code. */
  fail(req: IncomingMessage, res: ServerResponse, err: unknown): void {
    if (res.headersSent) throw err;
    if (err instanceof RequestError) return sendError(req, res, err);
    const language = languageOf(req);
    const requestId = req.headers['x-request-id'];
    const refusal = refusalOf(err);
    if (refusal === undefined) {
      this.#log.error({ err, requestId }, 'a page failed');
      sendPage(res, 500, notice(language, 'wrongTitle', 'failed'));
    } else if (refusal.code === 'UNAVAILABLE') {
      this.#log.warn({ err, requestId }, 'unavailable');
      sendPage(res, statusOf(res, refusal), unavailablePage(language, refusal, this.#pageNear(req)));
    } else sendPage(res, statusOf(res, refusal), refused(language, refusal));
  }
}
