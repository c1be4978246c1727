import type { Config } from '../../config.ts';
import { html } from './html.ts';
import { privacy } from './layout.ts';
import type { Visit } from './parts.ts';
import { say } from './texts.ts';

/**
 * Allows scripts, workers and connections of this server only, and no inline content except styles, since GraphiQL's
 * editor inserts style elements.
 */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "worker-src 'self'",
  "connect-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self' data:",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join('; ');

/** `/explorer`: GraphiQL, which signs in like any frontend (src/http/pages/explorer-client.ts). */
export function explorerPage({ res, language }: Visit, config: Config): void {
  const body = html`<!doctype html>
<html lang="${language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${say(language, 'explorerTitle')} · ${say(language, 'product')}</title>
<link rel="icon" href="/assets/icon.svg">
<link rel="stylesheet" href="/assets/graphiql.css">
<link rel="stylesheet" href="/assets/site.css">
<link rel="stylesheet" href="/assets/explorer.css">
<script src="/assets/explorer.js" defer></script>
</head>
<body data-home="${new URL(config.publicUrl).origin}" data-signed-in="">
<div class="bar"><img src="/assets/icon.svg" alt=""><strong>${say(language, 'explorerTitle')}</strong>
<button id="sign-out" class="quiet" type="button">${say(language, 'signOut')}</button></div>
<main class="gate"><section>
<h1>${say(language, 'explorerTitle')}</h1>
<p class="soft">${say(language, 'explorerAbout')}</p>
<p class="alert" id="wrong" role="alert" hidden>${say(language, 'explorerWrong')}</p>
<p class="alert" id="insecure" role="alert" hidden>${say(language, 'explorerInsecure')}</p>
<button id="sign-in" class="wide" type="button">${say(language, 'signIn')}</button>
</section></main>
<noscript><main><section><p>${say(language, 'explorerScript')}</p></section></main></noscript>
<div id="explorer"></div>
</body>
</html>
`;
  res.writeHead(200, {
    ...privacy,
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': policy,
    'cache-control': 'no-store',
  });
  res.end(body.text);
}
