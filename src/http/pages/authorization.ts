import type { KoaContextWithOIDC } from 'oidc-provider';
import type { ProviderPages } from '../../auth/provider-configuration.ts';
import { unavailable } from '../../errors.ts';
import { Html, html } from './html.ts';
import { formTarget, notice, page, pageHeaders, unavailablePage, type PageContent } from './layout.ts';
import { languageOf, say } from './texts.ts';

/** Pages of the authorization server: errors that cannot be sent back to the app, and signing out. */
export const authorizationPages: ProviderPages = {
  error(ctx, error) {
    if (error.name === 'TemporarilyUnavailable') {
      ctx.status = 503;
      return show(ctx, unavailablePage(languageOf(ctx.req), unavailable(), ctx.req.method === 'GET' ? ctx.originalUrl : '/sessions'));
    }
    const status = (error as { status?: number }).status ?? 500;
    const about = error.name === 'SessionNotFound' ? 'expired' : status >= 500 ? 'failed' : 'wrongRequest';
    show(ctx, notice(languageOf(ctx.req), 'wrongTitle', about));
  },
  signOut(ctx, form) {
    const language = languageOf(ctx.req);
    const body = html`<section>
<h1>${say(language, 'signOutTitle')}</h1>
<p>${say(language, 'signOutAbout')}</p>
${new Html(form)}
<div class="actions">
<button form="op.logoutForm" name="logout" value="yes" autofocus>${say(language, 'signOut')}</button>
<button form="op.logoutForm" class="quiet">${say(language, 'stay')}</button>
</div>
</section>`;
    show(ctx, { language, title: say(language, 'signOutTitle'), body }, formTarget(ctx.oidc.params?.post_logout_redirect_uri));
  },
  signedOut(ctx) {
    show(ctx, notice(languageOf(ctx.req), 'signedOutTitle', 'signedOutAbout'));
  },
};

/** Sends a page with the status that the authorization server has set. */
function show(ctx: KoaContextWithOIDC, content: PageContent, formTargets?: readonly string[]): void {
  ctx.set(pageHeaders(formTargets));
  ctx.body = page(content);
}
