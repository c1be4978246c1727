import { delegateOf, type AnyRow } from './delegates.ts';
import { allFixtures } from './fixtures.ts';
import type { Sfera } from './sfera.ts';

export interface SchoolRows {
  /** The types of the school's events. */
  events: string[];
  rowsByType: Record<string, AnyRow[]>;
}

/** Reads all rows that belong to a school, and its events. */
export async function readSchoolRows(app: Sfera, schoolId: string): Promise<SchoolRows> {
  const rowsByType: Record<string, AnyRow[]> = {};
  for (const { type, ofSchool = (id: string) => ({ schoolId: id }) } of await allFixtures())
    if (ofSchool !== null)
      rowsByType[type] = await delegateOf(app.db, type).findMany({ where: ofSchool(schoolId), orderBy: { id: 'asc' } });
  return { events: (await app.events(schoolId)).map(({ type }) => type), rowsByType };
}
