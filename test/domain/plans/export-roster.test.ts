import { buffer } from 'node:stream/consumers';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportRoster } from '../../../src/domain/plans/export-roster.ts';
import { writeOneRoster } from '../../../src/roster/one-roster-writer.ts';
import { senderOf, upload, type Sender } from '../../support/import-lists.ts';
import { openSfera, type Sfera } from '../../support/sfera.ts';

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
afterAll(() => app.close());

async function zipOf(schoolId: string): Promise<Buffer> {
  const { roster, school } = await exportRoster(app.operator, { schoolId, format: 'ONE_ROSTER_1_2' });
  const output = new PassThrough();
  const [bytes] = await Promise.all([buffer(output), writeOneRoster(roster, school, output)]);
  return bytes;
}

async function planZip(by: Sender, schoolId: string, body: Buffer): Promise<any> {
  return by.as.planImport({ uploadId: await upload(app, by, { schoolId, body }) });
}

async function buildSchool() {
  const { school, administrator } = await app.build.school();
  const own = await app.build.class({ schoolId: school.id, letter: 'А' });
  const subject = await app.build.subject({ schoolId: school.id, name: 'Физика' });
  await app.build.teacher({ schoolId: school.id, surname: 'Смирнова', classTeacherOf: own.id });
  await app.build.teacher({ schoolId: school.id, surname: 'Кузнецов', teaches: [{ classId: own.id, subjectId: subject.id }] });
  await app.build.student({ classId: own.id, surname: 'Ёжиков' });
  return { school, by: await senderOf(app, administrator) };
}

describe('exportRoster', () => {
  it('writes OneRoster with subjects and their teachers, whose import changes nothing, also where people made everything by hand', async () => {
    const { school, by } = await buildSchool();
    const plan = await planZip(by, school.id, await zipOf(school.id));
    expect(plan).toMatchObject({ state: 'READY', counts: { add: 0, change: 0, end: 0, error: 0 } });
  });

  it('makes the same classes, subjects, people and work in an empty school, and nothing the second time', async () => {
    const { school } = await buildSchool();
    const zip = await zipOf(school.id);
    const empty = await app.build.school();
    const by = await senderOf(app, empty.administrator);
    const plan = await planZip(by, empty.school.id, zip);
    expect(await by.as.applyPlan({ planId: plan.id, skipErrors: true })).toMatchObject({ state: 'APPLIED' });
    const work = await app.db.prisma.assignment.findMany({
      where: { schoolId: empty.school.id },
      include: { user: true, subject: true },
      orderBy: { kind: 'asc' },
    });
    expect(work.map(({ kind, user, subject }) => [kind, user.surname, subject?.name])).toEqual([
      ['CLASS_TEACHER', 'Смирнова', undefined],
      ['SUBJECT_TEACHER', 'Кузнецов', 'Физика'],
    ]);
    const again = await planZip(by, empty.school.id, zip);
    expect(again.counts).toMatchObject({ add: 0, change: 0, end: 0 });
    expect(await by.as.undoPlan({ planId: plan.id })).toMatchObject({ state: 'UNDONE' });
    expect(await app.db.prisma.assignment.count({ where: { schoolId: empty.school.id, endedAt: null } })).toBe(0);
  });
});
