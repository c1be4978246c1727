import { isCurrentCode, setPasswordByLink } from '../../domain/password-links.ts';
import { Refusal, type Language } from '../../errors.ts';
import { fields, statusOf, type FormState } from './forms.ts';
import { html } from './html.ts';
import { refused, sendPage, withLanguage, type PageContent } from './layout.ts';
import { anonymous, pathOf, redirect, type PageParts, type Visit } from './parts.ts';
import { newPasswordFields, newPasswordOf } from './password.ts';
import { say } from './texts.ts';

/**
 * `/reset/<code>`: sets a new password by a one-time link. The page shows no names. It gives the same answer for an
 * unknown, a used and an expired code. The address contains the code, which is a secret: the page is not cached,
 * sends no referrer, and its path is not logged.
 */
export async function passwordLinkPage(parts: PageParts, visit: Visit, code: string): Promise<void> {
  const { req, res, language } = visit;
  const ctx = parts.contextFor(req, anonymous);
  const showClosed = () => sendPage(res, 404, closedPage(language));
  try {
    if (!(await isCurrentCode(ctx, code))) return showClosed();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return sendPage(res, statusOf(res, error), refused(language, error));
  }
  const show = (status: number, state: FormState) => {
    const body = html`<section>
<h1>${say(language, 'resetTitle')}</h1>
<p class="soft">${say(language, 'resetAbout')}</p>
<form method="post" action="${pathOf(visit)}">
${parts.forms.field(req, res)}
${fields(language, newPasswordFields, state)}
<button class="wide">${say(language, 'savePassword')}</button>
</form>
</section>`;
    sendPage(res, status, { language, title: say(language, 'resetTitle'), body, here: pathOf(visit) });
  };
  if (req.method !== 'POST') return show(200, { values: new URLSearchParams() });
  const form = await parts.forms.read(req);
  try {
    await setPasswordByLink(ctx, { code, newPassword: newPasswordOf(form) });
  } catch (error) {
    if (!(error instanceof Refusal) || error.code === 'UNAVAILABLE') throw error;
    return error.code === 'NOT_FOUND' ? showClosed() : show(statusOf(res, error), { values: form, refusal: error });
  }
  redirect(visit, withLanguage('/password/changed', language));
}

/** The page for a code that is unknown, used or expired. It tells how to get another link. */
const closedPage = (language: Language): PageContent => ({
  language,
  title: say(language, 'wrongTitle'),
  body: html`<section><h1>${say(language, 'wrongTitle')}</h1>
<p>${say(language, 'noPasswordLink')}</p>
<p><a href="${withLanguage('/password/forgotten', language)}">${say(language, 'forgotten')}</a></p></section>`,
});
