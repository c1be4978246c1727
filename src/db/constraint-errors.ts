import pg from 'pg';

/** Recognises violated constraints and conflicts of transactions in errors of PostgreSQL and Prisma. */

interface Cause {
  originalCode?: string;
  originalMessage?: string;
}

/**
 * Returns the database's code and message. COMMIT throws the error of Prisma's adapter itself. A query throws an
 * error that wraps the adapter's error.
 */
function causeOf(error: unknown): Cause {
  if (error instanceof pg.DatabaseError)
    return { ...(error.code === undefined ? {} : { originalCode: error.code }), originalMessage: error.message };
  const { cause, meta } = (error ?? {}) as { cause?: Cause; meta?: { driverAdapterError?: { cause?: Cause } } };
  return meta?.driverAdapterError?.cause ?? cause ?? {};
}

/** Returns whether a transaction failed because of a conflict with another one, so that a repetition may succeed. */
export function isConflict(error: unknown): boolean {
  const { originalCode } = causeOf(error);
  return originalCode === '40001' || originalCode === '40P01';
}

/** Returns whether the error is the violation of the unique index, exclusion, check or foreign key of this name. */
export function violates(error: unknown, constraint: string): boolean {
  const { originalCode = '', originalMessage = '' } = causeOf(error);
  // The message is in the language of the database server, and has the constraint's name in the quotation marks of that
  // language.
  return originalCode.startsWith('23') && originalMessage.split(/[^\w]+/).includes(constraint);
}
