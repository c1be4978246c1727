import { expect } from 'vitest';
import { readSchoolRows } from './school-rows.ts';
import type { Sfera } from './sfera.ts';

/** Runs `act` and asserts that it returns this `Refusal`, changes no row of the school and records no event. */
export async function expectRefusal(
  app: Sfera,
  schoolId: string,
  expected: { code: string; path?: string[] | null; clause?: string | null },
  act: () => Promise<unknown>,
): Promise<{ message: string }> {
  const before = await readSchoolRows(app, schoolId);
  const answer = await act();
  expect(answer).toMatchObject({ __typename: 'Refusal', ...expected });
  expect(await readSchoolRows(app, schoolId)).toEqual(before);
  return answer as { message: string };
}
