import { attribute, record } from '../../src/events/record.ts';
import { Notifier } from '../../src/events/notifier.ts';
import type { Database } from '../../src/db/client.ts';
import { transaction } from '../../src/db/transaction.ts';
import type { Logger } from '../../src/logger.ts';
import { now } from './clock.ts';
import type { LiveSchool, EnrolmentRows } from './school.ts';

/**
 * Records events with the code of our server (a transaction, then NOTIFY), but in the process of the benchmark. So the
 * measured CPU time of the server contains the delivery of an event, but not its recording.
 */
export interface Writer {
  /** Returns the sequence number of the next event. */
  nextSeq(): number;
  /**
   * Records an event. Resolves with the time at which this process learned of the commit. Writes events one after
   * another, in the order of the calls.
   */
  write(enrolment: EnrolmentRows): Promise<number>;
  close(): Promise<void>;
}

/**
 * Creates the writer. No other process may write the school's log, because the writer counts the sequence numbers
 * itself.
 */
export async function createWriter(db: Database, log: Logger, school: LiveSchool): Promise<Writer> {
  const notifier = new Notifier(db.pool, db.connectionString, log);
  const head = await db.prisma.eventHead.findUniqueOrThrow({ where: { schoolId: school.id } });
  let seq = Number(head.seq);
  const write = async (enrolment: EnrolmentRows): Promise<number> => {
    let committedAt = 0;
    await transaction(db, async (tx) => {
      attribute(tx, {
        actor: { kind: 'operator' },
        causation: null,
        notify(schoolIds) {
          committedAt = now();
          notifier.notify(schoolIds);
        },
      });
      record(tx, 'student.enrolled', {
        schoolId: school.id,
        enrolmentId: enrolment.enrolmentId,
        studentId: enrolment.student.id,
        classId: enrolment.class.id,
      });
    });
    return committedAt;
  };
  let lastWrite: Promise<unknown> = Promise.resolve();
  return {
    nextSeq: () => seq + 1,
    write(enrolment) {
      seq += 1;
      const written = lastWrite.then(() => write(enrolment));
      lastWrite = written;
      return written;
    },
    close: () => notifier.close(),
  };
}
