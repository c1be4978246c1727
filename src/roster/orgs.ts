import { unreadable } from './notices.ts';
import type { Records } from './records.ts';

/**
 * Chooses the school to read. Sets `records.schoolOrgs` to this school and all organisations above and below it.
 * @throws UnreadableRoster if the file has several schools and `schoolIds` does not choose exactly one of them.
 */
export function chooseSchool(records: Records, schoolIds: readonly string[], file: string): void {
  const { orgs, builder } = records;
  const isCyclic = reportCycles(records);
  for (const { parentId, at } of orgs.values())
    if (parentId !== '' && !orgs.has(parentId)) builder.notices.error('REFERENCE_MISSING', at, 'parentSourcedId', parentId);
  const schools = [...orgs.values()].filter(({ type }) => type.toLowerCase() === 'school');
  if (schools.length === 0) return;
  const chosen = schools.filter(({ id, identifier }) => schoolIds.includes(id) || (identifier !== '' && schoolIds.includes(identifier)));
  const school = chosen.length === 1 ? chosen[0] : chosen.length === 0 && schools.length === 1 ? schools[0] : undefined;
  if (school === undefined) {
    const ids = schools
      .map(({ id }) => id)
      .slice(0, 5)
      .join(', ');
    throw unreadable(chosen.length === 0 && schoolIds.length > 0 ? 'SCHOOL_NOT_FOUND' : 'SCHOOL_NOT_CHOSEN', { file }, ids);
  }
  records.schoolOrgs = isCyclic ? new Set([school.id]) : orgsAround(records, school.id);
}

/** Returns the ids of a school and of the organisations above and below it. The organisations must have no cycle. */
function orgsAround({ orgs }: Records, schoolId: string): Set<string> {
  const around = new Set(pathUp(orgs, schoolId));
  for (const id of orgs.keys()) if (pathUp(orgs, id).includes(schoolId)) around.add(id);
  return around;
}

/**
 * The limit of levels of organisations. Real files have few levels. Without the limit, a long chain of parents would take
 * minutes.
 */
const maxLevels = 50;

/** Returns the ids of an organisation and all its parents. Stops at a parent whose id is in the list already. */
function pathUp(orgs: Records['orgs'], start: string): string[] {
  const path: string[] = [];
  let id: string | undefined = start;
  while (id !== undefined && orgs.has(id) && !path.includes(id) && path.length < maxLevels) {
    path.push(id);
    id = orgs.get(id)?.parentId;
  }
  return path;
}

/** Returns whether the organisations have a cycle. Adds one error for each cycle, at its first line. */
function reportCycles({ orgs, builder }: Records): boolean {
  const reported = new Set<string>();
  for (const { id, at } of orgs.values()) {
    const path = pathUp(orgs, id);
    const isInCycle = orgs.get(path.at(-1)!)!.parentId === id;
    if (isInCycle && !reported.has(id)) builder.notices.error('ORG_CYCLE', at, id);
    if (isInCycle) for (const member of path) reported.add(member);
  }
  return reported.size > 0;
}
