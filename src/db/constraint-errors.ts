import pg from 'pg';

/** What the database refused, read from its errors or from those that Prisma makes of them. */

interface Cause {
  originalCode?: string;
  originalMessage?: string;
}

/** The adapter's error comes as it is (from a COMMIT), or inside the error of a query, raw or not. */
function causeOf(error: unknown): Cause {
  if (error instanceof pg.DatabaseError) return { ...(error.code === undefined ? {} : { originalCode: error.code }), originalMessage: error.message };
  const { cause, meta } = (error ?? {}) as { cause?: Cause; meta?: { driverAdapterError?: { cause?: Cause } } };
  return meta?.driverAdapterError?.cause ?? cause ?? {};
}

/** Whether a transaction lost against another one, so that running it again may succeed. */
export function isConflict(error: unknown): boolean {
  const { originalCode } = causeOf(error);
  return originalCode === '40001' || originalCode === '40P01';
}

/** Whether the error says that a unique index, exclusion, check or foreign key of this name was violated. */
export function violates(error: unknown, constraint: string): boolean {
  const { originalCode = '', originalMessage = '' } = causeOf(error);
  // The message is in the server's language; the constraint's name stands in it quoted, in that language's way.
  return originalCode.startsWith('23') && originalMessage.split(/[^\w]+/).includes(constraint);
}
