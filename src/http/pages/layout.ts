import type { ServerResponse } from 'node:http';
import { CommitUnknown } from '../../db/availability.ts';
import type { Language, Refusal } from '../../errors.ts';
import { html, type Html } from './html.ts';
import { say, type TextName } from './texts.ts';

/** The layout and the security headers of every page. */

export interface PageContent {
  language: Language;
  title: string;
  body: Html;
  /** The page's own path, for the link to the other language; undefined leaves the link out. */
  here?: string | undefined;
  /** Adds the style of pages that are printed, and the script of their print button. */
  isPrinted?: true;
}

export function page({ language, title, body, here, isPrinted }: PageContent): string {
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
${
  isPrinted &&
  html`<link rel="stylesheet" href="/assets/print.css">
<script src="/assets/print.js" defer></script>`
}
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

export function withLanguage(path: string, language: Language): string {
  const url = new URL(path, 'http://here');
  url.searchParams.set('lang', language);
  return `${url.pathname}${url.search}`;
}

/**
 * Returns the headers of a page. They forbid inline scripts, content of other hosts, frames around the page, caching and
 * the referrer.
 * @param formTargets the origins to which the answer to a form of the page may redirect; browsers refuse other
 *   origins.
 * @param hasScripts whether the page may load script files from this server.
 */
export function pageHeaders(formTargets: readonly string[] = [], hasScripts = false): Record<string, string> {
  const forms = ["'self'", ...formTargets].join(' ');
  const scripts = hasScripts ? " script-src 'self';" : '';
  return {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': `default-src 'none';${scripts} style-src 'self'; img-src 'self'; form-action ${forms}; frame-ancestors 'none'; base-uri 'none'`,
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
  const headers = {
    ...pageHeaders(formTargets, content.isPrinted),
    'content-language': content.language,
    'content-length': Buffer.byteLength(text),
  };
  res.writeHead(status, headers).end(text);
}

export function notice(language: Language, title: TextName, about: TextName): PageContent {
  return {
    language,
    title: say(language, title),
    body: html`<section><h1>${say(language, title)}</h1><p>${say(language, about)}</p></section>`,
  };
}

/**
 * Returns a page for a request that could not be answered.
 * @param retryPath the path of a page that the browser can open: the requested page, or a parent page of a posted form.
 */
export const unavailablePage = (language: Language, refusal: Refusal, retryPath: string): PageContent => ({
  language,
  title: say(language, 'wrongTitle'),
  body: html`<section><h1>${say(language, 'wrongTitle')}</h1>
<p>${refusal instanceof CommitUnknown ? say(language, 'changeUnknown') : refusal.say(language)}</p>
<p><a href="${retryPath}">${say(language, refusal instanceof CommitUnknown ? 'openPage' : 'tryAgain')}</a></p></section>`,
});

export const refused = (language: Language, refusal: Refusal): PageContent => ({
  language,
  title: say(language, 'wrongTitle'),
  body: html`<section><h1>${say(language, 'wrongTitle')}</h1><p>${refusal.say(language)}</p></section>`,
});

/** Returns a page with an error message, a link to the start page, and the request id, which is also in the log. */
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

/**
 * Returns the origin of a redirect URI, or its scheme if it belongs to an app, as the `formTargets` of `pageHeaders`. Returns
 * an empty list for other values.
 */
export function formTarget(uri: unknown): string[] {
  if (typeof uri !== 'string' || !URL.canParse(uri)) return [];
  const url = new URL(uri);
  const target = url.origin === 'null' ? url.protocol : url.origin;
  // The client's URI must not add a directive to the Content-Security-Policy.
  return /^[a-z0-9+.:/[\]-]+$/i.test(target) ? [target] : [];
}
