/**
 * Refusals: what the server answers when it will not do what was asked.
 * A refusal never names a person and never tells what the asker may not know.
 */

export const refusalCodes = [
  'INVALID',
  'NOT_FOUND',
  'FORBIDDEN',
  'CONFLICT',
  'RATE_LIMITED',
  'UNAUTHENTICATED',
  'UNAVAILABLE',
] as const;

export type RefusalCode = (typeof refusalCodes)[number];

export type Language = 'ru' | 'en';

/** One sentence in both languages, Russian first. */
export type Message = readonly [ru: string, en: string];

export class Refusal extends Error {
  readonly code: RefusalCode;
  readonly text: Message;
  /** The input field at fault. Not named `path`: graphql takes an error with a `path` for one of its own. */
  readonly at: readonly string[] | undefined;
  readonly clause: string | undefined;
  /** Whole seconds until a retry may succeed; set for RATE_LIMITED and UNAVAILABLE. */
  readonly retryAfterSeconds: number | undefined;

  /** @param options `path`: the input field at fault; `clause`: the regulation's clause that decided. */
  constructor(code: RefusalCode, text: Message, options: { path?: readonly string[]; clause?: string; retryAfterSeconds?: number } = {}) {
    super(text[1]);
    this.name = 'Refusal';
    this.code = code;
    this.text = text;
    this.at = options.path;
    this.clause = options.clause;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }

  /** The sentence in the asker's language. */
  say(language: Language): string {
    return this.text[language === 'ru' ? 0 : 1];
  }
}

export const invalid = (path: string | readonly string[], text: Message): Refusal =>
  new Refusal('INVALID', text, { path: typeof path === 'string' ? [path] : path });

/** Unknown and forbidden look alike: both are this. */
export const notFound = (path?: string): Refusal =>
  new Refusal('NOT_FOUND', ['Такого нет или он вам не виден.', 'There is no such thing, or you may not see it.'], {
    ...(path === undefined ? {} : { path: [path] }),
  });

export const forbidden = (clause?: string): Refusal =>
  new Refusal('FORBIDDEN', ['Ваша роль этого не позволяет.', 'Your role does not allow this.'], {
    ...(clause === undefined ? {} : { clause }),
  });

export const conflict = (text: Message, options: { path?: readonly string[]; clause?: string } = {}): Refusal =>
  new Refusal('CONFLICT', text, options);

/** A limit was reached. @param seconds until the next attempt is allowed; rounded up, at least 1. */
export const rateLimited = (seconds = 60): Refusal => {
  const retryAfterSeconds = Math.max(1, Math.ceil(seconds));
  return new Refusal(
    'RATE_LIMITED',
    [`Слишком много попыток. Повторите через ${duration(retryAfterSeconds, 'ru')}.`, `Too many attempts. Try again in ${duration(retryAfterSeconds, 'en')}.`],
    { retryAfterSeconds },
  );
};

/** Something that the server needs does not answer now. Nothing was written; the same request may succeed later. */
export const unavailable = (seconds = 2): Refusal => {
  const retryAfterSeconds = Math.max(1, Math.ceil(seconds));
  return new Refusal(
    'UNAVAILABLE',
    ['Сервер временно не может ответить. Повторите запрос чуть позже.', 'The server cannot answer right now. Try again shortly.'],
    { retryAfterSeconds },
  );
};

/** «40 с», «2 мин»; minutes from 90 seconds on, rounded up. */
const duration = (seconds: number, language: Language): string =>
  seconds < 90 ? `${seconds} ${language === 'ru' ? 'с' : 's'}` : `${Math.ceil(seconds / 60)} ${language === 'ru' ? 'мин' : 'min'}`;

export const unauthenticated = (): Refusal =>
  new Refusal('UNAUTHENTICATED', ['Войдите, чтобы продолжить.', 'Sign in to continue.']);
