import pg from 'pg';
import type { Parse } from './row-view.ts';

/** Parses the text of a column by its PostgreSQL type, to the value that Prisma would return. */

const { builtins } = pg.types;

/** Parsers of the types that node-postgres and Prisma parse differently. */
const prismaParsers: Record<number, (text: string) => unknown> = {
  [builtins.INT8]: BigInt,
  [builtins.TIMESTAMPTZ]: (text) => new Date(`${text.replace(' ', 'T')}:00`),
  [builtins.DATE]: (text) => new Date(text),
  [builtins.BYTEA]: (text) => new Uint8Array(Buffer.from(text.slice(2), 'hex')),
};

const textTypes = new Set<number>([builtins.TEXT, builtins.VARCHAR, builtins.UUID]);

/** Returns the parser of a type; null if the text itself is the value. */
export const parserOf = (oid: number): Parse => (textTypes.has(oid) ? null : (types.getTypeParser(oid) as Parse));

/** The parsers in the form that a query of node-postgres takes. */
export const types = {
  getTypeParser: (oid: number, format?: 'text' | 'binary'): unknown =>
    (format === 'binary' ? undefined : prismaParsers[oid]) ?? pg.types.getTypeParser(oid, format),
};
