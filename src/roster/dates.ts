/** Parses the dates of files into `YYYY-MM-DD`. */

const forms = {
  /** A time may follow the day, as in many OneRoster exports. */
  ISO: { pattern: /^(?<year>\d{4})-(?<month>\d{2})-(?<day>\d{2})(?:T.*)?$/, text: 'YYYY-MM-DD' },
  RUSSIAN: { pattern: /^(?<day>\d{1,2})\.(?<month>\d{1,2})\.(?<year>\d{4})$/, text: 'ДД.ММ.ГГГГ' },
  AMERICAN: { pattern: /^(?<month>\d{1,2})\/(?<day>\d{1,2})\/(?<year>\d{4})$/, text: 'M/D/YYYY' },
} as const;

export type DateForm = keyof typeof forms;

export const dateText = (form: DateForm): string => forms[form].text;

/** Returns the day as `YYYY-MM-DD`; undefined for another form, a day that does not exist, and years outside 1900 to 2100. */
export function parseDate(text: string, accepted: readonly DateForm[]): string | undefined {
  for (const form of accepted) {
    const { year, month, day } = forms[form].pattern.exec(text)?.groups ?? {};
    if (year !== undefined && isDay(Number(year), Number(month), Number(day)))
      return `${year}-${month!.padStart(2, '0')}-${day!.padStart(2, '0')}`;
  }
  return undefined;
}

function isDay(year: number, month: number, day: number): boolean {
  const date = new Date(Date.UTC(year, month - 1, day));
  return year >= 1900 && year <= 2100 && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
}

/** Returns the day that is `days` days later, or earlier if `days` is negative. */
export const addDays = (day: string, days: number): string =>
  new Date(Date.parse(`${day}T00:00:00Z`) + days * 86_400_000).toISOString().slice(0, 10);
