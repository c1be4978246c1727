import { randomUUID } from 'node:crypto';
import type { Database } from '../../src/db/client.ts';

/** Inserts the minimal rows for tests of constraints: a school with two classes, a subject and a person. */
export async function seed({ prisma }: Database) {
  const { id: schoolId } = await prisma.school.create({ data: { name: 'Школа', fullName: 'Школа', head: { create: {} } } });
  const year = { schoolId, startsOn: new Date('2026-09-01'), endsOn: new Date('2027-08-31') };
  const { id: schoolYearId } = await prisma.schoolYear.create({ data: year });
  const classOf = (letter: string) => prisma.class.create({ data: { schoolId, schoolYearId, grade: 5, letter, sortKey: letter } });
  const [classId, otherClassId] = [(await classOf('А')).id, (await classOf('Б')).id];
  const { id: subjectId } = await prisma.subject.create({ data: { schoolId, name: 'Алгебра', sortKey: 'алгебра' } });
  return { schoolId, schoolYearId, classId, otherClassId, subjectId, userId: await person({ prisma }) };
}

export async function person({ prisma }: Pick<Database, 'prisma'>, sortKey: string = randomUUID()): Promise<string> {
  const { id } = await prisma.user.create({ data: { surname: 'А', givenName: 'Б', searchText: 'а б', sortKey } });
  return id;
}
