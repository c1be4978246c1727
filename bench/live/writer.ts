import { attribute, record } from '../../src/events/record.ts';
import { createNotifier } from '../../src/events/notifier.ts';
import type { Database } from '../../src/db/client.ts';
import { transaction } from '../../src/db/transaction.ts';
import type { Logger } from '../../src/logger.ts';
import { now } from './clock.ts';
import type { LiveSchool, Place } from './school.ts';

/**
 * Writes events as another process of the product does: recorded by the product's own code in a transaction, and the
 * server woken by its own bus. So the cost of the change itself does not stand in the account of telling it.
 */
export interface Writer {
  /** The number in the log that the next event will have. */
  next(): number;
  /** Answers when the commit was known. Changes are written one after another, in the order of the calls. */
  write(place: Place): Promise<number>;
  close(): Promise<void>;
}

/** The only writer of the school's log while it is open, so that it can count. */
export async function createWriter(db: Database, log: Logger, school: LiveSchool): Promise<Writer> {
  const bus = createNotifier(db.pool, db.connectionString, log);
  const head = await db.prisma.eventHead.findUniqueOrThrow({ where: { schoolId: school.id } });
  let seq = Number(head.seq);
  const write = async (place: Place): Promise<number> => {
    let at = 0;
    await transaction(db, async (tx) => {
      attribute(tx, {
        actor: { kind: 'operator' },
        causation: null,
        notify(schoolIds) {
          at = now();
          bus.notify(schoolIds);
        },
      });
      record(tx, 'student.enrolled', {
        schoolId: school.id, enrolmentId: place.enrolmentId, studentId: place.student.id, classId: place.class.id,
      });
    });
    return at;
  };
  let last: Promise<unknown> = Promise.resolve();
  return {
    next: () => seq + 1,
    write(place) {
      seq += 1;
      const written = last.then(() => write(place));
      last = written;
      return written;
    },
    close: () => bus.close(),
  };
}
