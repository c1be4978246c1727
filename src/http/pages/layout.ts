import type { ServerResponse } from 'node:http';
import { CommitUnknown } from '../../db/availability.ts';
import type { Language, Refusal } from '../../errors.ts';
import { html, type Html } from './html.ts';
import { say, type TextName } from './texts.ts';

/** The frame of every page, and the headers that keep it to itself. */

export interface PageContent {
  language: Language;
  title: string;
  body: Html;
  /** The same page in the other language; without it the page offers no other. */
  here?: string | undefined;
}

export function page({ language, title, body, here }: PageContent): string {
  const other = language === 'ru' ? 'en' : 'ru';
  return html`<!doctype html>
<html lang="${language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${title} · ${say(language, 'product')}</title>
<link rel="icon" href="/assets/icon.svg">
<link rel="stylesheet" href="/assets/site.css">
</head>
<body>
<header><a class="name" href="${withLanguage('/', language)}"><img src="/assets/icon.svg" alt="">${say(language, 'product')}</a>
${here !== undefined && html`<nav><a href="${withLanguage(here, other)}" hreflang="${other}" lang="${other}">${say(other, 'language')}</a></nav>`}
</header>
<main>
${body}
</main>
<footer>${say(language, 'footer')}</footer>
</body>
</html>
`.text;
}

/** The path and query with another `lang`. */
export function withLanguage(path: string, language: Language): string {
  const url = new URL(path, 'http://here');
  url.searchParams.set('lang', language);
  return `${url.pathname}${url.search}`;
}

/**
 * The headers of a page: no script at all, nothing from elsewhere, not in a frame, not in a cache, its address told to
 * nobody. `formTargets` are the origins that a form of the page may lead on to, which browsers check on redirects too.
 */
export function pageHeaders(formTargets: readonly string[] = []): Record<string, string> {
  const forms = ["'self'", ...formTargets].join(' ');
  return {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': `default-src 'none'; style-src 'self'; img-src 'self'; form-action ${forms}; frame-ancestors 'none'; base-uri 'none'`,
    ...privacy,
    'cache-control': 'no-store',
  };
}

export const privacy = {
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'cross-origin-opener-policy': 'same-origin',
};

export function sendPage(res: ServerResponse, status: number, content: PageContent, formTargets?: readonly string[]): void {
  const text = page(content);
  const headers = { ...pageHeaders(formTargets), 'content-language': content.language, 'content-length': Buffer.byteLength(text) };
  res.writeHead(status, headers).end(text);
}

/** A page that only says something. */
export function notice(language: Language, title: TextName, about: TextName): PageContent {
  return {
    language,
    title: say(language, title),
    body: html`<section><h1>${say(language, title)}</h1><p>${say(language, about)}</p></section>`,
  };
}

/**
 * A page for a request that could not be answered.
 * @param again the address of a page that a browser can open: the requested one, or one near a form that was posted.
 */
export const unavailablePage = (language: Language, refusal: Refusal, again: string): PageContent => ({
  language,
  title: say(language, 'wrongTitle'),
  body: html`<section><h1>${say(language, 'wrongTitle')}</h1>
<p>${refusal instanceof CommitUnknown ? say(language, 'changeUnknown') : refusal.say(language)}</p>
<p><a href="${again}">${say(language, refusal instanceof CommitUnknown ? 'openPage' : 'tryAgain')}</a></p></section>`,
});

/** A page that says why it was refused. */
export const refused = (language: Language, refusal: Refusal): PageContent => ({
  language,
  title: say(language, 'wrongTitle'),
  body: html`<section><h1>${say(language, 'wrongTitle')}</h1><p>${refusal.say(language)}</p></section>`,
});

/** A page that says what is wrong with a request, with a link to the start page and the request id that the log holds. */
export const errorPage = (language: Language, message: string, requestId: string | undefined): PageContent => ({
  language,
  title: say(language, 'wrongTitle'),
  body: html`<section>
<h1>${say(language, 'wrongTitle')}</h1>
<p>${message}</p>
<p><a href="${withLanguage('/', language)}">${say(language, 'toHome')}</a></p>
${requestId !== undefined && html`<p class="small soft">${say(language, 'requestId')}: <code>${requestId}</code></p>`}
</section>`,
});

/** What a form may lead on to, for `formTargets`: the origin, or the scheme of an app. */
export function formTarget(uri: unknown): string[] {
  if (typeof uri !== 'string' || !URL.canParse(uri)) return [];
  const url = new URL(uri);
  const target = url.origin === 'null' ? url.protocol : url.origin;
  // A client's own text must not add a directive.
  return /^[a-z0-9+.:/[\]-]+$/i.test(target) ? [target] : [];
}
