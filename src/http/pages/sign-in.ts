import { errors } from 'oidc-provider';
import { signIn } from '../../domain/sessions.ts';
import { Refusal } from '../../errors.ts';
import { deviceCookieOf, keepDeviceCookie } from './cookies.ts';
import { fields, statusOf, type Field, type FormState } from './forms.ts';
import { html } from './html.ts';
import { formTarget, notice, sendPage, withLanguage } from './layout.ts';
import { anonymous, pathOf, type PageParts, type Visit } from './parts.ts';
import { say } from './texts.ts';

/** This file is the page `/sign-in/<id>`, to which the authorization server redirects a browser that must sign in. */

export const signInFields: readonly Field[] = [
  { name: 'signInName', autocomplete: 'username', autofocus: true },
  { name: 'password', autocomplete: 'current-password' },
];

export async function signInPage(parts: PageParts, visit: Visit): Promise<void> {
  const { req, res, language } = visit;
  let details;
  try {
    details = await parts.provider.interactionDetails(req, res);
  } catch (error) {
    if (!(error instanceof errors.SessionNotFound)) throw error;
    return sendPage(res, 400, notice(language, 'wrongTitle', 'expired'));
  }
  const client = await parts.provider.Client.find(String(details.params.client_id));
  const show = (status: number, state: FormState) => {
    const appName = client?.clientName;
    const body = html`<section>
<h1>${say(language, 'signInTitle')}</h1>
${appName && html`<p class="soft">${say(language, 'signInFor')} <strong>${appName}</strong></p>`}
<form method="post" action="${pathOf(visit)}">
${parts.forms.field(req, res)}
${fields(language, signInFields, state)}
<button class="wide">${say(language, 'signIn')}</button>
</form>
<p class="after small"><a href="${withLanguage('/password/forgotten', language)}">${say(language, 'forgotten')}</a></p>
<p class="after small soft">${say(language, 'noAccount')}</p>
</section>`;
    sendPage(
      res,
      status,
      { language, title: say(language, 'signInTitle'), body, here: pathOf(visit) },
      formTarget(details.params.redirect_uri),
    );
  };
  if (req.method !== 'POST') return show(200, { values: new URLSearchParams() });
  const form = await parts.forms.read(req);
  let accountId: string;
  try {
    const { userId, deviceCookie } = await signIn(parts.contextFor(req, anonymous), {
      signInName: form.get('signInName') ?? '',
      password: form.get('password') ?? '',
      deviceCookie: deviceCookieOf(req),
    });
    keepDeviceCookie(res, deviceCookie, parts.config);
    accountId = userId;
  } catch (error) {
    if (!(error instanceof Refusal) || error.code === 'UNAVAILABLE') throw error;
    return show(statusOf(res, error), { values: form, refusal: error });
  }
  await parts.provider.interactionFinished(
    req,
    res,
    { login: { accountId, amr: ['pwd'] }, select_account: {} },
    { mergeWithLastSubmission: false },
  );
}
