import { acceptInvitation, previewInvitation, signUp } from '../../domain/invitations.ts';
import { acceptPersonalInvitation } from '../../domain/join-by-personal-invitation.ts';
import { signIn } from '../../domain/sessions.ts';
import { loadPerson } from '../../auth/actors.ts';
import { Refusal, unauthenticated, type Language } from '../../errors.ts';
import { deviceCookieOf, keepDeviceCookie } from './cookies.ts';
import { fields, statusOf, type Field, type FormState } from './forms.ts';
import { html, type Html } from './html.ts';
import { notice, refused, sendPage, withLanguage } from './layout.ts';
import { anonymous, pathOf, redirect, type PageParts, type Visit } from './parts.ts';
import { signInFields } from './sign-in.ts';
import { say, type TextName } from './texts.ts';

/**
 * `/join/<code>`: joins a school by an invitation link. Before joining, the page shows the school and the class, but no
 * people; a personal invitation greets its person by the given name. The address contains the code, which is a secret:
 * the page is not cached, sends no referrer, and its path is not logged.
 */

const signUpFields: readonly Field[] = [
  { name: 'surname', autocomplete: 'family-name', autofocus: true },
  { name: 'givenName', autocomplete: 'given-name' },
  { name: 'patronymic', autocomplete: 'additional-name', optional: true },
  { name: 'signInName', autocomplete: 'username', hint: 'signInNameHint' },
  { name: 'password', autocomplete: 'new-password', hint: 'passwordHint' },
];

/** The fields for a personal invitation. They ask for no names, because the school knows the names of the person. */
const personalFields: readonly Field[] = [
  { name: 'signInName', autocomplete: 'username', hint: 'signInNameHint', autofocus: true },
  { name: 'password', autocomplete: 'new-password', hint: 'passwordHint' },
];

export async function joinPage(parts: PageParts, visit: Visit, code: string): Promise<void> {
  const { req, res, url, language } = visit;
  const ctx = parts.contextFor(req, anonymous);
  let preview;
  try {
    preview = await previewInvitation(ctx, code);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return sendPage(res, statusOf(res, error), refused(language, error));
  }
  if (preview === null) return sendPage(res, 404, notice(language, 'wrongTitle', 'noInvitation'));
  const { givenName } = preview;
  const isPersonal = givenName !== null;
  const hasAccount = !isPersonal && url.searchParams.get('account') === 'yes';
  const show = (status: number, state: FormState) => {
    const body = html`<section>
<h1>${isPersonal ? `${say(language, 'hello')}, ${givenName}!` : say(language, 'joinTitle')}</h1>
${isPersonal && html`<p>${say(language, 'personalAbout')}</p>`}
${facts(language, preview)}
<form method="post" action="${pathOf(visit)}">
${parts.forms.field(req, res)}
${fields(language, isPersonal ? personalFields : hasAccount ? signInFields : signUpFields, state)}
<button class="wide">${say(language, isPersonal ? 'joinPersonal' : hasAccount ? 'accept' : 'join')}</button>
</form>
${
  isPersonal
    ? html`<p class="after small soft">${say(language, 'notYou')}</p>`
    : html`<p class="after"><a href="${switchFormPath(url, hasAccount)}">${say(language, hasAccount ? 'noAccountYet' : 'haveAccount')}</a></p>`
}
</section>`;
    sendPage(res, status, { language, title: say(language, 'joinTitle'), body, here: pathOf(visit) });
  };
  if (req.method !== 'POST') return show(200, { values: new URLSearchParams() });
  const form = await parts.forms.read(req);
  const text = (name: Field['name']) => form.get(name) ?? '';
  try {
    if (isPersonal) await acceptPersonalInvitation(ctx, { code, signInName: text('signInName'), password: text('password') });
    else if (hasAccount) await joinWithAccount(parts, visit, { code, signInName: text('signInName'), password: text('password') });
    else {
      const patronymic = text('patronymic').trim() === '' ? null : text('patronymic');
      const names = { surname: text('surname'), givenName: text('givenName'), patronymic };
      await signUp(ctx, { code, ...names, signInName: text('signInName'), password: text('password') });
    }
  } catch (error) {
    if (!(error instanceof Refusal) || error.code === 'UNAVAILABLE') throw error;
    return show(statusOf(res, error), { values: form, refusal: error });
  }
  redirect(visit, withLanguage('/joined', language));
}

/** Signs in a person who has an account, and accepts the invitation in their name. */
async function joinWithAccount(
  parts: PageParts,
  { req, res }: Visit,
  { code, signInName, password }: { code: string; signInName: string; password: string },
): Promise<void> {
  const { userId, deviceCookie } = await signIn(parts.contextFor(req, anonymous), {
    signInName,
    password,
    deviceCookie: deviceCookieOf(req),
  });
  keepDeviceCookie(res, deviceCookie, parts.config);
  const actor = await loadPerson(parts.db, userId);
  if (actor === undefined) throw unauthenticated();
  await acceptInvitation(parts.contextFor(req, actor), { code });
}

/** Returns the path that switches between the forms for visitors with and without an account. */
function switchFormPath(url: URL, hasAccount: boolean): string {
  const target = new URL(url);
  if (hasAccount) target.searchParams.delete('account');
  else target.searchParams.set('account', 'yes');
  return `${target.pathname}${target.search}`;
}

function facts(language: Language, { schoolName, className, role }: { schoolName: string; className: string | null; role: string }): Html {
  const row = (name: TextName, value: string) => html`<div><dt>${say(language, name)}</dt><dd>${value}</dd></div>`;
  return html`<dl class="facts">
${row('school', schoolName)}
${className !== null && row('class', className)}
${row('role', say(language, role as TextName))}
</dl>`;
}

/** `/joined`: tells what to do next. Shows no personal data, so that it can stay open on a shared computer. */
export function joinedPage(visit: Visit): void {
  const { res, language } = visit;
  const body = html`<section>
<h1>${say(language, 'joinedTitle')}</h1>
<h2>${say(language, 'joinedNext')}</h2>
<ol class="next">
<li>${say(language, 'joinedApp')}</li>
<li>${say(language, 'joinedSignIn')}</li>
<li>${say(language, 'joinedKeep')}</li>
</ol>
<p><a href="${withLanguage('/sessions', language)}">${say(language, 'sessionsTitle')}</a></p>
</section>`;
  sendPage(res, 200, { language, title: say(language, 'joinedTitle'), body, here: pathOf(visit) });
}
