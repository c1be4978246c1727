import { expect } from 'vitest';
import type { Sfera } from './sfera.ts';

/** Runs `act` and asserts that it returns this `Refusal`, changes no row of the school and records no event. */
export async function expectRefusal(
  app: Sfera,
  schoolId: string,
  expected: { code: string; path?: string[] | null; clause?: string | null },
  act: () => Promise<unknown>,
): Promise<{ message: string }> {
  const before = await readWrittenRows(app, schoolId);
  const answer = await act();
  expect(answer).toMatchObject({ __typename: 'Refusal', ...expected });
  expect(await readWrittenRows(app, schoolId)).toEqual(before);
  return answer as { message: string };
}

/** Reads the rows of the school that mutations write. */
async function readWrittenRows(app: Sfera, schoolId: string) {
  const { prisma } = app.db;
  const all = { where: { schoolId }, orderBy: { id: 'asc' } } as const;
  return {
    events: (await app.events(schoolId)).length,
    years: await prisma.schoolYear.findMany(all),
    classes: await prisma.class.findMany(all),
    subjects: await prisma.subject.findMany(all),
    assignments: await prisma.assignment.findMany(all),
    enrolments: await prisma.enrolment.findMany(all),
    invitations: await prisma.invitation.findMany(all),
    chats: await prisma.chat.findMany(all),
    members: await prisma.chatMember.findMany(all),
  };
}
