import { mailPasswordLink } from '../../domain/password-links.ts';
import { Refusal } from '../../errors.ts';
import { fields, statusOf, type Field, type FormState } from './forms.ts';
import { html } from './html.ts';
import { notice, sendPage, withLanguage } from './layout.ts';
import { anonymous, pathOf, redirect, type PageParts, type Visit } from './parts.ts';
import { say, type TextName } from './texts.ts';

const mailFields: readonly Field[] = [{ name: 'signInName', autocomplete: 'username' }];

const contacts: readonly (readonly [who: TextName, whom: TextName])[] = [
  ['askPupil', 'askPupilWhom'],
  ['askStaff', 'askStaffWhom'],
  ['askAdministrator', 'askAdministratorWhom'],
];

/**
 * `/password/forgotten`: says whom to ask for a new password. If the server can send mail, also sends a one-time
 * link. The answer is the same whether or not the account and its address exist.
 */
export async function forgottenPasswordPage(parts: PageParts, visit: Visit): Promise<void> {
  const { req, res, url, language } = visit;
  const sendsMail = parts.config.mail !== undefined;
  const show = (status: number, state: FormState) => {
    const byMail = html`<section id="mail">
<h2>${say(language, 'mailTitle')}</h2>
<p class="soft">${say(language, 'mailAbout')}</p>
${url.searchParams.has('sent') && html`<p class="here" role="status">${say(language, 'mailSent')}</p>`}
<form method="post" action="${withLanguage(url.pathname, language)}#mail">
${sendsMail && parts.forms.field(req, res)}
${fields(language, mailFields, state)}
<button class="wide">${say(language, 'mailSend')}</button>
</form>
</section>`;
    const body = html`<section>
<h1>${say(language, 'forgotten')}</h1>
<p class="soft">${say(language, 'forgottenAbout')}</p>
<ul class="ways">
${contacts.map(([who, whom]) => html`<li><strong>${say(language, who)}</strong><p class="small">${say(language, whom)}</p></li>`)}
</ul>
</section>
${sendsMail && byMail}`;
    sendPage(res, status, { language, title: say(language, 'forgotten'), body, here: pathOf(visit) });
  };
  if (req.method !== 'POST') return show(200, { values: new URLSearchParams() });
  if (!sendsMail) return sendPage(res, 404, notice(language, 'wrongTitle', 'notFound'));
  const form = await parts.forms.read(req);
  try {
    await mailPasswordLink(parts.contextFor(req, anonymous), { signInName: form.get('signInName') ?? '' });
  } catch (error) {
    if (!(error instanceof Refusal) || error.code === 'UNAVAILABLE') throw error;
    return show(statusOf(res, error), { values: form, refusal: error });
  }
  redirect(visit, withLanguage(`${url.pathname}?sent`, language));
}
