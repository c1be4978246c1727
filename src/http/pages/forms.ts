import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Refusal, type Language } from '../../errors.ts';
import { fingerprint } from '../../auth/seal.ts';
import { isDecodable, mediaTypeOf, readText } from '../body.ts';
import { cookieOf, setCookie } from './cookies.ts';
import { html, type Html } from './html.ts';
import { say, texts, type TextName } from './texts.ts';

/** Reads forms, protects them from cross-site request forgery, and renders their fields with errors. */

const cookieName = 'sfera_form';
const fieldName = 'form';
const maxBytes = 16 * 1024;

/** Accepts only forms that this server gave to the same browser and that are posted from its own pages. */
export interface FormGuard {
  /** Returns the hidden field of a form, and sets the cookie that the browser must send with the form. */
  field(req: IncomingMessage, res: ServerResponse): Html;
  /**
   * Returns the fields of a posted form.
   * @throws Refusal FORBIDDEN for a form from another site or another browser, INVALID for a body that is not a form;
   *   RequestError for a body that is too large or cannot be decoded.
   */
  read(req: IncomingMessage): Promise<URLSearchParams>;
}

/** Uses the signed double-submit pattern: the field is a keyed hash of the browser's random cookie. */
export function createFormGuard(secretKey: Uint8Array, secure: boolean): FormGuard {
  const sign = (nonce: string) => fingerprint(secretKey, 'form', nonce);
  const nonceOf = (req: IncomingMessage) => /^[\w-]{22}$/.exec(cookieOf(req, cookieName) ?? '')?.[0];
  return {
    field(req, res) {
      let nonce = nonceOf(req);
      if (nonce === undefined) {
        nonce = randomBytes(16).toString('base64url');
        setCookie(res, { name: cookieName, value: nonce, secure });
      }
      return html`<input type="hidden" name="${fieldName}" value="${sign(nonce)}">`;
    },
    async read(req) {
      const form = await readForm(req);
      const nonce = nonceOf(req);
      // A page of a sibling domain can set the cookie, but cannot forge `Sec-Fetch-Site`.
      const site = req.headers['sec-fetch-site'];
      const isSameOrigin = site === undefined || site === 'same-origin' || site === 'none';
      if (!isSameOrigin || nonce === undefined || !isEqual(form.get(fieldName) ?? '', sign(nonce)))
        throw new Refusal('FORBIDDEN', texts.forged);
      return form;
    },
  };
}

function isEqual(actual: string, expected: string): boolean {
  const [a, b] = [Buffer.from(actual), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}

async function readForm(req: IncomingMessage): Promise<URLSearchParams> {
  if (mediaTypeOf(req.headers['content-type']) !== 'application/x-www-form-urlencoded') throw new Refusal('INVALID', texts.forged);
  const bytes = await readText(req, maxBytes);
  const text = bytes === undefined ? '' : bytes.toString();
  if (!isDecodable(text)) throw new Refusal('INVALID', texts.formUnreadable);
  return new URLSearchParams(text);
}

/** The values and the error of a form that is shown again after a refusal. Passwords are not shown again. */
export interface FormState {
  values: URLSearchParams;
  refusal?: Refusal | undefined;
}

type PasswordField = 'password' | 'currentPassword' | 'newPassword' | 'repeatedPassword';

export interface Field {
  name: 'surname' | 'givenName' | 'patronymic' | 'signInName' | PasswordField;
  hint?: TextName;
  optional?: boolean;
  autocomplete: string;
  autofocus?: boolean;
}

/**
 * Renders the fields of a form with labels, hints and errors. An error that belongs to no listed field is shown above
 * the fields.
 */
export function fields(language: Language, list: readonly Field[], { values, refusal }: FormState): Html {
  const errorField = refusal?.at?.at(-1);
  const isOfForm = refusal !== undefined && !list.some(({ name }) => name === errorField);
  const focused = list.find(({ name }) => name === errorField)?.name ?? list.find(({ autofocus }) => autofocus)?.name;
  return html`${isOfForm && html`<p class="alert" role="alert">${refusal.say(language)}</p>`}
${list.map((field) => {
  const error = field.name === errorField ? refusal : undefined;
  const describedBy = [error && `${field.name}-error`, field.hint && `${field.name}-hint`].filter(Boolean).join(' ');
  const isPassword = /password$/i.test(field.name);
  return html`<div class="field">
<label for="${field.name}">${say(language, field.name)}${field.optional && html` <span class="soft">(${say(language, 'optional')})</span>`}</label>
<input id="${field.name}" name="${field.name}" type="${isPassword ? 'password' : 'text'}" autocomplete="${field.autocomplete}" maxlength="200"
${isPassword || field.name === 'signInName' ? html` autocapitalize="none" spellcheck="false"` : null}${!isPassword && html` value="${values.get(field.name)}"`}${!field.optional && html` required`}${error && html` aria-invalid="true"`}${describedBy && html` aria-describedby="${describedBy}"`}${field.name === focused && html` autofocus`}>
${error && html`<p class="error" id="${field.name}-error" role="alert">${error.say(language)}</p>`}
${field.hint && html`<p class="hint" id="${field.name}-hint">${say(language, field.hint)}</p>`}
</div>`;
})}`;
}

/** Returns the HTTP status for a refusal. Sets `Retry-After` if the refusal says how long to wait. */
export function statusOf(res: ServerResponse, refusal: Refusal): number {
  if (refusal.retryAfterSeconds !== undefined) res.setHeader('retry-after', refusal.retryAfterSeconds);
  const statuses = {
    INVALID: 422,
    NOT_FOUND: 404,
    FORBIDDEN: 403,
    CONFLICT: 409,
    RATE_LIMITED: 429,
    UNAUTHENTICATED: 401,
    UNAVAILABLE: 503,
  };
  return statuses[refusal.code];
}
