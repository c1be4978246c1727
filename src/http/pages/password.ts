import { changePassword } from '../../domain/passwords.ts';
import { invalid, Refusal } from '../../errors.ts';
import { fields, statusOf, type Field, type FormState } from './forms.ts';
import { html } from './html.ts';
import { sendPage, withLanguage } from './layout.ts';
import { pathOf, redirect, type PageParts, type Visit } from './parts.ts';
import { say } from './texts.ts';
import { loadVisitor, signInPath } from './visitor.ts';

/** `/password`: a person changes their own password. Regulation 2.2 h. */

/** The fields of a new password, which is entered twice. */
export const newPasswordFields: readonly Field[] = [
  { name: 'newPassword', autocomplete: 'new-password', hint: 'passwordHint', autofocus: true },
  { name: 'repeatedPassword', autocomplete: 'new-password' },
];

const changeFields: readonly Field[] = [
  { name: 'currentPassword', autocomplete: 'current-password', autofocus: true },
  ...newPasswordFields,
];

/** Returns the new password of a form. @throws INVALID at `newPassword` if the two entries differ. */
export function newPasswordOf(form: URLSearchParams): string {
  const newPassword = form.get('newPassword') ?? '';
  if (newPassword !== form.get('repeatedPassword'))
    throw invalid('newPassword', [
      'Пароли не совпадают. Введите новый пароль в оба поля.',
      'The passwords differ. Enter the new password in both fields.',
    ]);
  return newPassword;
}

export async function passwordPage(parts: PageParts, visit: Visit): Promise<void> {
  const { req, res, language } = visit;
  const actor = await loadVisitor(parts, visit);
  if (actor === undefined) return redirect(visit, signInPath(parts, language, '/password'));
  const show = (status: number, state: FormState) => {
    const body = html`<section>
<h1>${say(language, 'changeTitle')}</h1>
<p class="soft">${say(language, 'changeAbout')}</p>
<form method="post" action="${pathOf(visit)}">
${parts.forms.field(req, res)}
${fields(language, changeFields, state)}
<button class="wide">${say(language, 'savePassword')}</button>
</form>
<p class="after small"><a href="${withLanguage('/sessions', language)}">${say(language, 'sessionsTitle')}</a> · <a href="${withLanguage('/password/forgotten', language)}">${say(language, 'forgotten')}</a></p>
</section>`;
    sendPage(res, status, { language, title: say(language, 'changeTitle'), body, here: pathOf(visit) });
  };
  if (req.method !== 'POST') return show(200, { values: new URLSearchParams() });
  const form = await parts.forms.read(req);
  try {
    const newPassword = newPasswordOf(form);
    await changePassword(parts.contextFor(req, actor), { currentPassword: form.get('currentPassword') ?? '', newPassword });
  } catch (error) {
    if (!(error instanceof Refusal) || error.code === 'UNAVAILABLE') throw error;
    return show(statusOf(res, error), { values: form, refusal: error });
  }
  redirect(visit, withLanguage('/password/changed', language));
}

/** `/password/changed`: tells what to do next. Shows no personal data, so it can stay open on a shared computer. */
export function passwordChangedPage(visit: Visit): void {
  const { res, language } = visit;
  const body = html`<section>
<h1>${say(language, 'changedTitle')}</h1>
<h2>${say(language, 'joinedNext')}</h2>
<ol class="next">
<li>${say(language, 'changedSignIn')}</li>
<li>${say(language, 'changedElsewhere')}</li>
<li>${say(language, 'joinedKeep')}</li>
</ol>
<p><a href="${withLanguage('/sessions', language)}">${say(language, 'sessionsTitle')}</a></p>
</section>`;
  sendPage(res, 200, { language, title: say(language, 'changedTitle'), body, here: pathOf(visit) });
}
