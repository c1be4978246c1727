import { errorTexts, warningTexts, type ErrorCode, type WarningCode } from './notice-texts.ts';
import { maxNotices, type RosterNotice, type RosterNotices } from './roster.ts';

/** A line of a file, or the whole file. */
export interface NoticePlace {
  readonly file: string;
  readonly line?: number;
}

type ErrorValues<Code extends ErrorCode> = Parameters<(typeof errorTexts)[Code]>;
type WarningValues<Code extends WarningCode> = Parameters<(typeof warningTexts)[Code]>;

/** Thrown if no part of a roster can be used, for example because the archive is damaged. Ends the reading. */
export class UnreadableRoster extends Error {
  readonly notice: RosterNotice;

  constructor(notice: RosterNotice) {
    super(`${notice.code} in ${notice.file}`);
    this.name = 'UnreadableRoster';
    this.notice = notice;
  }
}

const maxValueLength = 60;

/** Characters that a terminal executes, or that change the direction of the text around them. */
const controls = /[\p{Cc}\p{Bidi_Control}]/gu;

/** Replaces control characters by U+FFFD. */
const withoutControls = (text: string): string => text.replace(controls, '\ufffd');

/** Cuts long values and replaces control characters, because a notice quotes a file that anyone may have written. */
const shorten = <Values extends readonly unknown[]>(values: Values): Values =>
  values.map((value) => (typeof value === 'string' ? withoutControls(cut(value)) : value)) as unknown as Values;

const cut = (value: string): string =>
  value.length > maxValueLength ? `${value.slice(0, maxValueLength).replace(/[\ud800-\udbff]$/, '')}…` : value;

function makeNotice(code: ErrorCode | WarningCode, { file, line }: NoticePlace, values: readonly unknown[]): RosterNotice {
  const text = { ...errorTexts, ...warningTexts }[code] as (...values: readonly unknown[]) => RosterNotice['message'];
  return { code, file: withoutControls(file), line: line ?? null, message: text(...shorten(values)) };
}

/** Makes the exception for an error that concerns a whole file. */
export const unreadable = <Code extends ErrorCode>(code: Code, place: NoticePlace, ...values: ErrorValues<Code>): UnreadableRoster =>
  new UnreadableRoster(makeNotice(code, place, values));

class CappedList {
  readonly #list: RosterNotice[] = [];
  #total = 0;

  push(make: () => RosterNotice): void {
    this.#total += 1;
    if (this.#list.length < maxNotices) this.#list.push(make());
  }

  /** Puts a notice before all others. A full list loses its last notice. */
  unshift(notice: RosterNotice): void {
    this.#total += 1;
    this.#list.unshift(notice);
    this.#list.splice(maxNotices);
  }

  toNotices(): RosterNotices {
    return { list: this.#list, total: this.#total };
  }
}

/** Collects the warnings and errors of one reading. */
export class NoticeLog {
  readonly #warnings = new CappedList();
  readonly #errors = new CappedList();

  warn<Code extends WarningCode>(code: Code, place: NoticePlace, ...values: WarningValues<Code>): void {
    this.#warnings.push(() => makeNotice(code, place, values));
  }

  error<Code extends ErrorCode>(code: Code, place: NoticePlace, ...values: ErrorValues<Code>): void {
    this.#errors.push(() => makeNotice(code, place, values));
  }

  /** Adds the error that ended the reading, before all other errors. */
  addUnreadable(error: UnreadableRoster): void {
    this.#errors.unshift(error.notice);
  }

  get warnings(): RosterNotices {
    return this.#warnings.toNotices();
  }

  get errors(): RosterNotices {
    return this.#errors.toNotices();
  }
}
