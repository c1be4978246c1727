import { attribute, record } from '../../src/events/record.ts';
import { createNotifier } from '../../src/events/notifier.ts';
import type { Database } from '../../src/db/client.ts';
import { transaction } from '../../src/db/transaction.ts';
import type { Logger } from '../../src/logger.ts';
import { now } from './clock.ts';
import type { LiveSchool, Place } from './school.ts';

/**
 * Records events like another process of the product: in a transaction with the product's own code, followed by its
 * NOTIFY. So the measured CPU time of the server contains the delivery, but not the change itself.
 */
export interface Writer {
  /** Returns the sequence number of the next event. */
  next(): number;
  /** Records an event; resolves with the time at which the commit was known. Writes are sequential, in the order of the calls. */
  write(place: Place): Promise<number>;
  close(): Promise<void>;
}

/** Creates the writer. It has to be the only writer of the school's log, because it counts sequence numbers itself. */
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
