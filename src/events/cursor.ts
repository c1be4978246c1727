import { invalid } from '../errors.ts';

/** A place in one school's log: everything up to and including `seq` has been seen. */
export interface Cursor {
  schoolId: string;
  seq: bigint;
}

/** Opaque to clients; survives restarts, restores and moves between servers. */
export const encodeCursor = ({ schoolId, seq }: Cursor): string =>
  Buffer.from(`${schoolId}:${seq}`).toString('base64url');

const written = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):(0|[1-9]\d{0,17})$/;

/** @throws INVALID at `after` for a text that `encodeCursor` did not make. */
export function decodeCursor(text: string): Cursor {
  const match = written.exec(Buffer.from(text, 'base64url').toString());
  if (match === null || Buffer.from(match[0]).toString('base64url') !== text)
    throw invalid('after', ['Это не курсор журнала.', 'This is not a cursor of the log.']);
  return { schoolId: match[1]!, seq: BigInt(match[2]!) };
}
