import { dayIn, yearAround } from '../../src/domain/school-years.ts';
import { mutate } from '../../src/domain/context.ts';
import { exportInTransaction } from '../../src/domain/plans/export-roster.ts';
import { writeList } from '../../src/roster/list-writer.ts';
import { senderOf } from './import-lists.ts';
import type { Sfera } from './sfera.ts';

/**
 * Builds a school at the end of its school year, for tests that move its classes to the next year. Other functions here
 * read what became of the school.
 */

/** Returns the days and the name of the school year that is this many years after the present one. */
export function yearAfter(count: number): { startsOn: Date; endsOn: Date; name: string } {
  const first = yearAround(dayIn('Europe/Moscow', new Date())).startsOn.getUTCFullYear() + count;
  return { startsOn: new Date(Date.UTC(first, 8, 1)), endsOn: new Date(Date.UTC(first + 1, 7, 31)), name: `${first}/${first + 1}` };
}

export async function buildEndingYear(app: Sfera) {
  const { school, administrator } = await app.build.school();
  const schoolId = school.id;
  const group = (grade: number, letter = 'А') => app.build.class({ schoolId, grade, letter });
  const classes = { '4А': await group(4), '5А': await group(5), '5Б': await group(5, 'Б'), '9А': await group(9), '11А': await group(11) };
  const pupil = (name: keyof typeof classes, surname: string) => app.build.student({ classId: classes[name].id, surname, givenName: 'Ян' });
  const pupils = {
    fourth: await pupil('4А', 'Первых'),
    fifth: await pupil('5А', 'Вторых'),
    other: await pupil('5А', 'Третьих'),
    ofB: await pupil('5Б', 'Четвёртых'),
    ninth: await pupil('9А', 'Пятых'),
    last: await pupil('11А', 'Шестых'),
  };
  const teacher = (surname: string, work: object) => app.build.teacher({ schoolId, surname, givenName: 'Ия', ...work });
  const subject = await app.build.subject({ schoolId, name: 'Физика' });
  const teaches = [{ classId: classes['5А'].id, subjectId: subject.id }];
  const teachers = {
    primary: await teacher('Начальных', { classTeacherOf: classes['4А'].id }),
    fifth: await teacher('Классных', { classTeacherOf: classes['5А'].id }),
    ofB: await teacher('Других', { classTeacherOf: classes['5Б'].id }),
    physics: await teacher('Физиков', { teaches }),
  };
  const by = await senderOf(app, administrator);
  return { school, schoolId, administrator, classes, pupils, subject, teachers, by };
}

export type EndingYear = Awaited<ReturnType<typeof buildEndingYear>>;

/** Plans the turn of the school year, in which classes move up a grade. Throws an error if the server refuses to plan. */
export async function planYear(app: Sfera, { schoolId, by }: Pick<EndingYear, 'schoolId' | 'by'>, options: object = {}): Promise<any> {
  const plan = (await by.as.planYear({ schoolId: app.id('School', schoolId), ...options })) as any;
  if (plan.__typename !== 'Plan') throw new Error(`refused: ${JSON.stringify(plan)}`);
  return plan;
}

export async function rowsOf({ by }: Pick<EndingYear, 'by'>, planId: string, filter: object = {}): Promise<any[]> {
  const { rows } = (await by.as.rowsOfPlan({ id: planId, first: 100, ...filter })) as any;
  return rows.edges.map(({ node }: any) => node);
}

/** Returns a row of a plan as the text «operation proposed code, field before → after, …». */
export const textOf = ({ operation, proposed, code, fields }: any): string =>
  [
    [operation, proposed === operation ? null : proposed, code].filter((part) => part !== null).join(' '),
    ...fields.map(({ name, before, after }: any) => `${name} ${before ?? '–'} → ${after ?? '–'}`),
  ].join(', ');

/**
 * Returns the surnames of the current pupils of each class. A key is the name of the class and the number of years from
 * the present school year to the class's: «6А +1» is 6А of the next year.
 */
export async function membersOf(app: Sfera, schoolId: string): Promise<Record<string, string[]>> {
  const enrolments = await app.db.prisma.enrolment.findMany({
    where: { schoolId, endedAt: null },
    include: { class: { include: { year: true } }, student: true },
    orderBy: { student: { sortKey: 'asc' } },
  });
  const present = yearAfter(0).startsOn.getUTCFullYear();
  const members: Record<string, string[]> = {};
  for (const { class: of, student } of enrolments)
    (members[`${of.grade}${of.letter} +${of.year.startsOn.getUTCFullYear() - present}`] ??= []).push(student.surname);
  return members;
}

/** Returns the current assignments of teachers, each as «class kind surname». */
export async function workOf(app: Sfera, schoolId: string): Promise<string[]> {
  const work = await app.db.prisma.assignment.findMany({ where: { schoolId, endedAt: null }, include: { class: true, user: true } });
  return work.map(({ class: of, kind, user }) => `${of.grade}${of.letter} ${kind} ${user.surname}`).sort();
}

/**
 * Returns the exported data of the school as a text. Tests compare this text before a plan is applied and after the plan
 * was undone. Rolls back the transaction, so that the log gets no event of the export.
 */
export async function exported(app: Sfera, schoolId: string): Promise<string> {
  let bytes = '';
  const rollBack = new Error('roll back');
  const exporting = mutate(app.operator, async (tx) => {
    const { roster } = await exportInTransaction(app.operator, tx, { schoolId, format: 'ONE_ROSTER_1_2' });
    bytes = JSON.stringify(roster) + writeList(roster).toString();
    throw rollBack;
  });
  await exporting.catch((error: unknown) => {
    if (error !== rollBack) throw error;
  });
  return bytes;
}
