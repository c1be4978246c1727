import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Refusal, type Language } from '../../errors.ts';
import { fingerprint } from '../../auth/seal.ts';
import { isDecodable, mediaTypeOf, readText } from '../body.ts';
import { cookieOf, setCookie } from './cookies.ts';
import { html, type Html } from './html.ts';
import { say, texts, type TextName } from './texts.ts';

/** Forms: read, kept against forgery, and shown with what is wrong at each field. */

const cookieName = 'sfera_form';
const fieldName = 'form';
const mostBytes = 16 * 1024;

/** Whether forms may be taken: those that this server gave to this browser, posted from its own pages. */
export interface FormGuard {
  /** The hidden field of a form; sets the cookie that it must come back with. */
  field(req: IncomingMessage, res: ServerResponse): Html;
  /**
   * The fields of a posted form.
   * @throws Refusal FORBIDDEN for a form of another site or of another browser, INVALID for what is not a form;
   *   RequestError for a body that is too large or not text.
   */
  read(req: IncomingMessage): Promise<URLSearchParams>;
}

/** A signed double submit: the field is a keyed hash of the browser's random cookie. */
export function createFormGuard(secretKey: Uint8Array, secure: boolean): FormGuard {
  const sign = (nonce: string) => fingerprint(secretKey, 'form', nonce);
  const nonceOf = (req: IncomingMessage) => /^[\w-]{22}$/.exec(cookieOf(req, cookieName) ?? '')?.[0];
  return {
    field(req, res) {
      let nonce = nonceOf(req);
      if (nonce === undefined) {
        nonce = randomBytes(16).toString('base64url');
        setCookie(res, cookieName, nonce, secure);
      }
      return html`<input type="hidden" name="${fieldName}" value="${sign(nonce)}">`;
    },
    async read(req) {
      const form = await readForm(req);
      const nonce = nonceOf(req);
      // A page of a sibling domain can set our cookie, but cannot say that it is us.
      const site = req.headers['sec-fetch-site'];
      const ours = site === undefined || site === 'same-origin' || site === 'none';
      if (!ours || nonce === undefined || !same(form.get(fieldName) ?? '', sign(nonce))) throw new Refusal('FORBIDDEN', texts.forged);
      return form;
    },
  };
}

function same(shown: string, expected: string): boolean {
  const [a, b] = [Buffer.from(shown), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}

async function readForm(req: IncomingMessage): Promise<URLSearchParams> {
  if (mediaTypeOf(req.headers['content-type']) !== 'application/x-www-form-urlencoded') throw new Refusal('INVALID', texts.forged);
  const bytes = await readText(req, mostBytes);
  const text = bytes === undefined ? '' : bytes.toString();
  if (!isDecodable(text)) throw new Refusal('INVALID', texts.formUnreadable);
  return new URLSearchParams(text);
}

/** What is shown again after a refusal. Passwords are not. */
export interface FormState {
  values: URLSearchParams;
  refusal?: Refusal | undefined;
}

export interface Field {
  name: 'surname' | 'givenName' | 'patronymic' | 'signInName' | 'password';
  hint?: TextName;
  optional?: boolean;
  autocomplete: string;
  autofocus?: boolean;
}

/** The fields of a form, each with its label, its hint and what is wrong with it; what concerns none stands above them. */
export function fields(language: Language, list: readonly Field[], { values, refusal }: FormState): Html {
  const at = refusal?.at?.at(-1);
  const ofForm = refusal !== undefined && !list.some(({ name }) => name === at);
  const focused = list.find(({ name }) => name === at)?.name ?? list.find(({ autofocus }) => autofocus)?.name;
  return html`${ofForm && html`<p class="alert" role="alert">${refusal.say(language)}</p>`}
${list.map((field) => {
    const wrong = field.name === at ? refusal : undefined;
    const described = [wrong && `${field.name}-error`, field.hint && `${field.name}-hint`].filter(Boolean).join(' ');
    const secret = field.name === 'password';
    return html`<div class="field">
<label for="${field.name}">${say(language, field.name)}${field.optional && html` <span class="soft">(${say(language, 'optional')})</span>`}</label>
<input id="${field.name}" name="${field.name}" type="${secret ? 'password' : 'text'}" autocomplete="${field.autocomplete}" maxlength="200"
${secret || field.name === 'signInName' ? html` autocapitalize="none" spellcheck="false"` : null}${!secret && html` value="${values.get(field.name)}"`}${!field.optional && html` required`}${wrong && html` aria-invalid="true"`}${described && html` aria-describedby="${described}"`}${field.name === focused && html` autofocus`}>
${wrong && html`<p class="error" id="${field.name}-error" role="alert">${wrong.say(language)}</p>`}
${field.hint && html`<p class="hint" id="${field.name}-hint">${say(language, field.hint)}</p>`}
</div>`;
  })}`;
}

/** Returns the HTTP status for a refusal. Sets `Retry-After` if the refusal says how long to wait. */
export function statusOf(res: ServerResponse, refusal: Refusal): number {
  if (refusal.retryAfterSeconds !== undefined) res.setHeader('retry-after', refusal.retryAfterSeconds);
  const statuses = { INVALID: 422, NOT_FOUND: 404, FORBIDDEN: 403, CONFLICT: 409, RATE_LIMITED: 429, UNAUTHENTICATED: 401, UNAVAILABLE: 503 };
  return statuses[refusal.code];
}
