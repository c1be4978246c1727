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

  /** @param options `path`: the input field at fault; `clause`: the regulation's clause that decided. */
  constructor(code: RefusalCode, text: Message, options: { path?: readonly string[]; clause?: string } = {}) {
    super(text[1]);
    this.name = 'Refusal';
    this.code = code;
    this.text = text;
    this.at = options.path;
    this.clause = options.clause;
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

export const rateLimited = (): Refusal =>
  new Refusal('RATE_LIMITED', ['Слишком много попыток. Подождите и повторите.', 'Too many tries. Wait and try again.']);

export const unauthenticated = (): Refusal =>
  new Refusal('UNAUTHENTICATED', ['Войдите, чтобы продолжить.', 'Sign in to continue.']);
