import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '../../../src/db/client.ts';
import { violates } from '../../../src/db/transaction.ts';
import { openTestDatabase } from '../../support/database.ts';
import { person, seed } from '../../reader/sample-rows.ts';

let db: Database;
let s: Awaited<ReturnType<typeof seed>>;
beforeAll(async () => {
  db = await openTestDatabase();
  s = await seed(db);
});
afterAll(() => db.close());

async function refused(constraint: string, attempt: Promise<unknown>): Promise<void> {
  const error: unknown = await attempt.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error, 'nothing was refused').toBeDefined();
  expect(violates(error, constraint), String(error)).toBe(true);
  expect(violates(error, 'another_key')).toBe(false);
}

const day = (text: string): Date => new Date(`${text}T00:00:00Z`);
const earlier = { startedAt: day('2025-01-02'), endedAt: day('2025-01-01') };
const enrol = (studentId: string, classId = s.classId, period: { startedAt?: Date; endedAt?: Date } = {}) =>
  db.prisma.enrolment.create({ data: { schoolId: s.schoolId, classId, studentId, ...period } });
const assign = (data: {
  kind: 'CLASS_TEACHER' | 'SUBJECT_TEACHER';
  userId: string;
  subjectId?: string;
  startedAt?: Date;
  endedAt?: Date;
}) => db.prisma.assignment.create({ data: { schoolId: s.schoolId, classId: s.classId, ...data } });
const grant = (userId: string, period: { startedAt?: Date; endedAt?: Date } = {}) =>
  db.prisma.roleGrant.create({ data: { schoolId: s.schoolId, userId, role: 'TEACHER', ...period } });
const classOf = (grade: number, letter: string) =>
  db.prisma.class.create({ data: { schoolId: s.schoolId, schoolYearId: s.schoolYearId, grade, letter, sortKey: letter } });
const invite = (data: { role?: 'TEACHER' | 'STUDENT'; classId?: string; maxUses?: number; useCount?: number }) =>
  db.prisma.invitation.create({
    data: {
      schoolId: s.schoolId,
      role: 'TEACHER',
      maxUses: 1,
      nonce: new Uint8Array(8),
      codeHash: new Uint8Array(randomBytes(32)),
      expiresAt: day('2030-01-01'),
      ...data,
    },
  });
const chat = (data: { kind: 'CLASS' | 'SUBJECT' | 'SCHOOL'; classId?: string; subjectId?: string }) =>
  db.prisma.chat.create({ data: { schoolId: s.schoolId, name: 'Чат', ...data } });

describe('a role', () => {
  it('keeps the sort key of its person, whichever of them changes first or both together', async () => {
    const people = await Promise.all(Array.from({ length: 20 }, (_, n) => person(db, `до ${n}`)));
    const rename = (id: string, n: number) => db.prisma.user.update({ where: { id }, data: { sortKey: `после ${n}` } });
    await grant(people[0]!);
    await rename(people[0]!, 0);
    await Promise.all(people.slice(1).flatMap((id, n) => (n % 2 === 0 ? [rename(id, n), grant(id)] : [grant(id), rename(id, n)])));
    const roles = await db.prisma.roleGrant.findMany({ where: { userId: { in: people } }, include: { user: true } });
    expect(roles.map(({ sortKey }) => sortKey)).toEqual(roles.map(({ user }) => user.sortKey));
    expect(roles.filter(({ sortKey }) => sortKey.startsWith('после'))).toHaveLength(people.length);
  });
});

describe('a pupil', () => {
  it('is in one class at a time', async () => {
    const pupil = await person(db);
    await enrol(pupil);
    await refused('enrolment_student_active_key', enrol(pupil, s.otherClassId));
    await refused(
      'enrolment_student_active_key',
      db.prisma.$executeRaw`insert into enrolment (id, school_id, class_id, student_id)
        values (${randomUUID()}::uuid, ${s.schoolId}::uuid, ${s.otherClassId}::uuid, ${pupil}::uuid)`,
    );
  });

  it('cannot have been in two classes at one moment, and may move between classes at an instant', async () => {
    const pupil = await person(db);
    const [a, b, c] = [day('2025-01-01'), day('2025-02-01'), day('2025-03-01')];
    await enrol(pupil, s.classId, { startedAt: a, endedAt: b });
    await enrol(pupil, s.otherClassId, { startedAt: b, endedAt: c });
    await refused('enrolment_student_period_excl', enrol(pupil, s.classId, { startedAt: day('2025-02-15') }));
    await refused(
      'enrolment_student_period_excl',
      db.prisma.$executeRaw`insert into enrolment (id, school_id, class_id, student_id, started_at, ended_at)
        values (${randomUUID()}::uuid, ${s.schoolId}::uuid, ${s.classId}::uuid, ${pupil}::uuid, ${a}, ${c})`,
    );
    await enrol(pupil, s.classId, { startedAt: c });
  });
});

describe('a period', () => {
  it('ends no earlier than it starts', async () => {
    const userId = await person(db);
    await refused('enrolment_period_check', enrol(userId, s.classId, earlier));
    await refused('assignment_period_check', assign({ kind: 'CLASS_TEACHER', userId, ...earlier }));
    await refused('role_grant_period_check', grant(userId, earlier));
    const backwards = { schoolId: s.schoolId, startsOn: day('2024-09-01'), endsOn: day('2024-09-01') };
    await refused('school_year_period_check', db.prisma.schoolYear.create({ data: backwards }));
  });
});

describe('work and roles', () => {
  it('a class has at most one class teacher at a time', async () => {
    await assign({ kind: 'CLASS_TEACHER', userId: s.userId });
    await refused('assignment_class_teacher_active_key', assign({ kind: 'CLASS_TEACHER', userId: await person(db) }));
  });

  it('a teacher is assigned to a subject of a class once, and other teachers may be assigned to it too', async () => {
    const work = { kind: 'SUBJECT_TEACHER' as const, subjectId: s.subjectId };
    await assign({ ...work, userId: s.userId });
    await assign({ ...work, userId: await person(db) });
    await refused('assignment_subject_teacher_active_key', assign({ ...work, userId: s.userId }));
  });

  it('an assignment names a subject if it is of a subject teacher, and none if it is of a class teacher', async () => {
    await refused('assignment_subject_check', assign({ kind: 'SUBJECT_TEACHER', userId: s.userId }));
    await refused('assignment_subject_check', assign({ kind: 'CLASS_TEACHER', userId: s.userId, subjectId: s.subjectId }));
  });

  it('a role is held once at a time', async () => {
    const userId = await person(db);
    await grant(userId, { endedAt: day('2100-01-01') });
    await grant(userId);
    await refused('role_grant_active_key', grant(userId));
  });
});

describe('ranges', () => {
  it.each([0, 12])('a class of grade %i is refused', (grade) => refused('class_grade_check', classOf(grade, 'Я')));
  it.each(['', 'ш'.repeat(16)])('the class letter «%s» is refused', (letter) => refused('class_letter_check', classOf(1, letter)));

  it('an invitation is used at most as often as it allows', async () => {
    await refused('invitation_max_uses_check', invite({ maxUses: 0 }));
    await refused('invitation_use_count_check', invite({ useCount: 2 }));
    const { id } = await invite({ useCount: 1 });
    await refused('invitation_use_count_check', db.prisma.invitation.update({ where: { id }, data: { useCount: { increment: 1 } } }));
  });

  it('an invitation names a class if it is for pupils, and none otherwise', async () => {
    await refused('invitation_class_check', invite({ role: 'STUDENT' }));
    await refused('invitation_class_check', invite({ role: 'TEACHER', classId: s.classId }));
  });

  it('a chat has the class and subject that its kind requires', async () => {
    await refused('chat_place_check', chat({ kind: 'CLASS' }));
    await refused('chat_place_check', chat({ kind: 'CLASS', classId: s.classId, subjectId: s.subjectId }));
    await refused('chat_place_check', chat({ kind: 'SUBJECT', classId: s.classId }));
    await refused('chat_place_check', chat({ kind: 'SCHOOL', classId: s.classId }));
  });

  it('a row cannot refer to a row of another school', async () => {
    const other = await db.prisma.school.create({ data: { name: 'Другая', fullName: 'Другая' } });
    await refused(
      'chat_class_id_school_id_fkey',
      db.prisma.chat.create({ data: { schoolId: other.id, kind: 'CLASS', classId: s.classId, name: 'Чат' } }),
    );
  });
});

describe('the log', () => {
  const event = (seq: bigint) =>
    db.prisma.event.create({ data: { schoolId: s.schoolId, seq, type: 't', topics: [], payload: {}, actor: 'a', at: new Date() } });

  it('refuses an event with a number below 1', () => refused('event_seq_check', event(0n)));

  it('cannot be updated, but old events can be deleted', async () => {
    await event(1n);
    await expect(db.prisma.event.updateMany({ data: { type: 'u' } })).rejects.toThrow('immutable');
    await expect(db.prisma.$executeRaw`update event set actor = 'b'`).rejects.toThrow('immutable');
    expect(await db.prisma.event.deleteMany()).toEqual({ count: 1 });
  });
});

describe('order', () => {
  it('is by code point, in any locale', async () => {
    const sortKey = async (key: string) => ({ id: await person(db, `order-${key}`) });
    const ids = [await sortKey('Я'), await sortKey('а'), await sortKey('Б'), await sortKey('z')];
    const rows = await db.prisma.user.findMany({ where: { id: { in: ids.map(({ id }) => id) } }, orderBy: { sortKey: 'asc' } });
    expect(rows.map((row) => row.sortKey)).toEqual(['order-z', 'order-Б', 'order-Я', 'order-а']);
  });
});
