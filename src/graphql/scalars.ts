import { GraphQLError, Kind } from 'graphql';
import { builder } from './builder.ts';

const instant = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/;
const day = /^\d{4}-\d{2}-\d{2}$/;

function parseInstant(value: unknown): Date {
  if (typeof value === 'string' && instant.test(value)) {
    const date = new Date(value);
    if (!Number.isNaN(date.getTime())) return date;
  }
  throw new GraphQLError('DateTime must be an RFC 3339 instant, such as 2026-09-01T08:00:00Z.');
}

function parseDay(value: unknown): string {
  if (typeof value === 'string' && day.test(value)) {
    const date = new Date(`${value}T00:00:00Z`);
    if (!Number.isNaN(date.getTime()) && date.toISOString().startsWith(value)) return value;
  }
  throw new GraphQLError('Date must be a day, such as 2026-09-01.');
}

builder.scalarType('DateTime', {
  description: 'An instant, RFC 3339, written in UTC with milliseconds: 2026-09-01T08:00:00.000Z.',
  serialize: (value) => value.toISOString() as unknown as Date,
  parseValue: parseInstant,
  parseLiteral: (node) => parseInstant(node.kind === Kind.STRING ? node.value : undefined),
});

builder.scalarType('Date', {
  description: "A day, ISO 8601: 2026-09-01. It is a day in the school's own time zone.",
  serialize: (value) => value,
  parseValue: parseDay,
  parseLiteral: (node) => parseDay(node.kind === Kind.STRING ? node.value : undefined),
});

builder.scalarType('JSON', {
  description: 'Any JSON value. Used only for the ids that an event carries.',
  serialize: (value) => value,
});
