import { GraphQLError, Kind, type ValueNode } from 'graphql';
import { builder } from './builder.ts';

const day = String.raw`(?<year>\d{4})-(?<month>0[1-9]|1[0-2])-(?<date>0[1-9]|[12]\d|3[01])`;
const clock = String.raw`(?<clock>(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d)(?:\.(?<fraction>\d{1,9}))?`;
const offset = String.raw`(?<offset>Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)`;

const instantPattern = new RegExp(`^${day}T${clock}${offset}$`, 'i');
const dayPattern = new RegExp(`^${day}$`);

type Day = Record<'year' | 'month' | 'date', string>;
type Instant = Day & { clock: string; fraction?: string; offset: string };

const earliest = Date.parse('0001-01-01T00:00:00.000Z');
const latest = Date.parse('9999-12-31T23:59:59.999Z');

/** Returns the number of days of a month in the proleptic Gregorian calendar, which PostgreSQL uses too. */
function daysIn(year: number, month: number): number {
  if (month !== 2) return [4, 6, 9, 11].includes(month) ? 30 : 31;
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
}

const isDay = ({ year, month, date }: Day): boolean => year !== '0000' && Number(date) <= daysIn(Number(year), Number(month));

/**
 * Parses an RFC 3339 instant. Checks every part itself, because `Date` turns 30 February into 2 March and accepts years that
 * PostgreSQL does not store. Cuts off digits after the milliseconds, and refuses a leap second (`:60`).
 */
function parseInstant(value: unknown, node?: ValueNode): Date {
  const parts = typeof value === 'string' ? (instantPattern.exec(value)?.groups as Instant | undefined) : undefined;
  if (parts !== undefined && isDay(parts)) {
    const { year, month, date, fraction = '' } = parts;
    const at = Date.parse(`${year}-${month}-${date}T${parts.clock}.${fraction.slice(0, 3).padEnd(3, '0')}${parts.offset.toUpperCase()}`);
    if (at >= earliest && at <= latest) return new Date(at);
  }
  throw new GraphQLError('DateTime must be an RFC 3339 instant that exists in the years 0001 to 9999, such as 2026-09-01T08:00:00Z.', {
    nodes: node,
  });
}

function parseDay(value: unknown, node?: ValueNode): string {
  const parts = typeof value === 'string' ? (dayPattern.exec(value)?.groups as Day | undefined) : undefined;
  if (parts !== undefined && isDay(parts)) return value as string;
  throw new GraphQLError('Date must be a day that exists in the years 0001 to 9999, such as 2026-09-01.', { nodes: node });
}

const textOf = (node: ValueNode): string | undefined => (node.kind === Kind.STRING ? node.value : undefined);

builder.scalarType('DateTime', {
  description:
    'An RFC 3339 instant in the years 0001 to 9999. Results are in UTC with milliseconds: 2026-09-01T08:00:00.000Z. ' +
    'Input may have any offset up to 23:59 and up to nine decimals of a second, of which the first three are kept; leap seconds (`:60`) are refused.',
  serialize: (value) => value.toISOString() as unknown as Date,
  parseValue: (value) => parseInstant(value),
  parseLiteral: (node) => parseInstant(textOf(node), node),
});

builder.scalarType('Date', {
  description: "An ISO 8601 calendar day in the years 0001 to 9999, in the school's time zone: 2026-09-01.",
  serialize: (value) => value,
  parseValue: (value) => parseDay(value),
  parseLiteral: (node) => parseDay(textOf(node), node),
});

builder.scalarType('JSON', { description: 'Any JSON value. Used only for `Event.ids`.', serialize: (value) => value });
