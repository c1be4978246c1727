import type { ServiceActor, UserActor } from '../policy/actor.ts';
import { invalid } from '../errors.ts';
import { isUuid } from '../uuid.ts';
import type { LoggedEvent } from './log-reader.ts';

/** A position in one school's event log. The client has all events up to and including `seq`. */
export interface Cursor {
  schoolId: string;
  seq: bigint;
}

/**
 * Returns the cursor as a text, which clients must not parse. The text stays valid after restarts, restores and moves
 * between servers.
 */
export const encodeCursor = ({ schoolId, seq }: Cursor): string => Buffer.from(`${schoolId}:${seq}`).toString('base64url');

const cursorFormat = /^([^:]+):(0|[1-9]\d{0,17})$/;

/** Parses a cursor. @throws INVALID at `after` for a text that is not a result of `encodeCursor`. */
export function decodeCursor(text: string): Cursor {
  const match = cursorFormat.exec(Buffer.from(text, 'base64url').toString());
  if (match === null || !isUuid(match[1]!) || Buffer.from(match[0]).toString('base64url') !== text)
    throw invalid('after', [
      'Неверный курсор. Передайте курсор, полученный от этого сервера.',
      'The cursor is not valid. Pass a cursor that this server returned.',
    ]);
  return { schoolId: match[1]!, seq: BigInt(match[2]!) };
}

/** An event as the root value with which a subscription's operation is executed. */
export interface EventItem {
  readonly kind: 'event';
  readonly cursor: string;
  readonly event: LoggedEvent;
  readonly actor: UserActor | ServiceActor;
}

export const eventItem = (event: LoggedEvent, actor: UserActor | ServiceActor): EventItem => ({
  kind: 'event',
  cursor: encodeCursor(event),
  event,
  actor,
});
