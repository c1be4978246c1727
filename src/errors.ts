/** Refusals: errors for clients. They never name a person or reveal what the actor may not know. */

export const refusalCodes = ['INVALID', 'NOT_FOUND', 'FORBIDDEN', 'CONFLICT', 'RATE_LIMITED', 'UNAUTHENTICATED', 'UNAVAILABLE'] as const;

export type RefusalCode = (typeof refusalCodes)[number];

export type Language = 'ru' | 'en';

/** One sentence in both languages, Russian first. */
export type Message = readonly [ru: string, en: string];

export class Refusal extends Error {
  readonly code: RefusalCode;
  readonly text: Message;
  /**
   * The path of the invalid input field. Not named `path`: graphql-js takes the `path` of an error as the place of the error
   * in the result, and would not add that place itself.
   */
  readonly at: readonly string[] | undefined;
  readonly clause: string | undefined;
  /** Whole seconds until a retry may succeed; set for RATE_LIMITED and UNAVAILABLE. */
  readonly retryAfterSeconds: number | undefined;

  constructor(code: RefusalCode, text: Message, options: { path?: readonly string[]; clause?: string; retryAfterSeconds?: number } = {}) {
    super(text[1]);
    this.name = 'Refusal';
    this.code = code;
    this.text = text;
    this.at = options.path;
    this.clause = options.clause;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }

  say(language: Language): string {
    return this.text[language === 'ru' ? 0 : 1];
  }
}

export const invalid = (path: string | readonly string[], text: Message): Refusal =>
  new Refusal('INVALID', text, { path: typeof path === 'string' ? [path] : path });

/**
 * The refusal for a row that does not exist, and for a row that the actor may not see. It is the same for both, so it
 * does not reveal whether the row exists.
 */
export const notFound = (path?: string): Refusal =>
  new Refusal(
    'NOT_FOUND',
    ['Объект не найден, или у вас нет к нему доступа.', 'The object was not found, or you do not have access to it.'],
    { ...(path === undefined ? {} : { path: [path] }) },
  );

export const forbidden = (clause?: string): Refusal =>
  new Refusal('FORBIDDEN', ['Ваша роль этого не позволяет.', 'Your role does not allow this.'], {
    ...(clause === undefined ? {} : { clause }),
  });

export const conflict = (text: Message, options: { path?: readonly string[]; clause?: string } = {}): Refusal =>
  new Refusal('CONFLICT', text, options);

/** The refusal for a reached limit. @param seconds until the next attempt is allowed; rounded up, at least 1. */
export const rateLimited = (seconds = 60): Refusal => {
  const retryAfterSeconds = Math.max(1, Math.ceil(seconds));
  return new Refusal(
    'RATE_LIMITED',
    [
      `Слишком много попыток. Повторите через ${duration(retryAfterSeconds, 'ru')}.`,
      `Too many attempts. Try again in ${duration(retryAfterSeconds, 'en')}.`,
    ],
    { retryAfterSeconds },
  );
};

/**
 * The refusal for a database or another dependency that does not answer. Nothing was written, and a retry may
 * succeed. If a COMMIT gets no answer, the change may be saved, and the refusal is `CommitUnknown`
 * (src/db/availability.ts).
 */
export const unavailable = (seconds = 2): Refusal => {
  const retryAfterSeconds = Math.max(1, Math.ceil(seconds));
  return new Refusal(
    'UNAVAILABLE',
    ['Сервер временно не может ответить. Повторите запрос чуть позже.', 'The server cannot answer right now. Try again shortly.'],
    { retryAfterSeconds },
  );
};

/** Returns «40 с» for less than 90 seconds, and minutes such as «2 мин» from then on. Rounds minutes up. */
const duration = (seconds: number, language: Language): string =>
  seconds < 90 ? `${seconds} ${language === 'ru' ? 'с' : 's'}` : `${Math.ceil(seconds / 60)} ${language === 'ru' ? 'мин' : 'min'}`;

export const unauthenticated = (): Refusal => new Refusal('UNAUTHENTICATED', ['Войдите, чтобы продолжить.', 'Sign in to continue.']);
