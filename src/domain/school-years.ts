import type { Tx } from '../db/transaction.ts';
import type { Context } from './context.ts';
import { readable } from './resources.ts';
import type { School, SchoolYear } from './entities.ts';

/** School years: from 1 September to 31 August, by the calendar of the school's own time zone. */

/** By time zone: making one costs a hundred times as much as using it. There are as many as there are zones. */
const calendars = new Map<string, Intl.DateTimeFormat>();

/** The day it is at an instant in a time zone, such as 2026-09-01. */
export function dayIn(timeZone: string, at: Date): string {
  let calendar = calendars.get(timeZone);
  if (calendar === undefined) {
    // Sweden writes days as ISO 8601 does.
    calendar = new Intl.DateTimeFormat('sv-SE', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' });
    calendars.set(timeZone, calendar);
  }
  return calendar.format(at);
}

/** The first and the last day of the school year that contains a day; July and August still belong to the one before. */
export function yearAround(day: string): { startsOn: Date; endsOn: Date } {
  const [year, month] = day.split('-').map(Number) as [number, number];
  const first = month >= 9 ? year : year - 1;
  return { startsOn: new Date(`${first}-09-01`), endsOn: new Date(`${first + 1}-08-31`) };
}

/** The first and the last day of a school's present year. */
export const presentYear = (school: School): { startsOn: Date; endsOn: Date } =>
  yearAround(dayIn(school.timeZone, new Date()));

/** «2026/2027». */
export function nameOfYear(year: SchoolYear): string {
  const first = year.startsOn.getUTCFullYear();
  return `${first}/${first + 1}`;
}

/**
 * The step: the school's year that contains the day it is there at the instant `day`, made if it is not there yet; the
 * next one is made with it, so that its classes can be prepared.
 */
export async function schoolYearOf(tx: Tx, schoolId: string, day: Date): Promise<SchoolYear> {
  const { timeZone } = await tx.school.findUniqueOrThrow({ where: { id: schoolId } });
  const days = yearAround(dayIn(timeZone, day));
  // Two changes that make the same year at once both go on with the one that was made.
  const next = yearAround(new Date(days.endsOn.getTime() + 86_400_000).toISOString());
  await tx.schoolYear.createMany({ data: [{ schoolId, ...days }, { schoolId, ...next }], skipDuplicates: true });
  return tx.schoolYear.findUniqueOrThrow({ where: { schoolId_startsOn: { schoolId, startsOn: days.startsOn } } });
}

/** The years of a school, the latest first; every school of a level in one statement. */
export async function yearsOf(ctx: Context, school: School): Promise<SchoolYear[]> {
  const years = await ctx.loaders.of<SchoolYear[]>('School.years', school.id, async (schoolIds) => {
    const rows = await ctx.db.prisma.schoolYear.findMany({
      where: { AND: [{ schoolId: { in: [...schoolIds] } }, readable(ctx.actor, 'SchoolYear')] },
      orderBy: { startsOn: 'desc' },
    });
    return new Map(schoolIds.map((id) => [id, rows.filter((row) => row.schoolId === id)]));
  });
  return years ?? [];
}

/** The year that contains today, if the school has made it. */
export async function currentYearOf(ctx: Context, school: School): Promise<SchoolYear | null> {
  const { startsOn } = presentYear(school);
  const years = await yearsOf(ctx, school);
  return years.find((year) => year.startsOn.getTime() === startsOn.getTime()) ?? null;
}

/** Does the year contain today, in its school's time zone? */
export async function isCurrent(ctx: Context, year: SchoolYear): Promise<boolean> {
  const school = await ctx.loaders.byId('School', year.schoolId);
  return school !== null && presentYear(school).startsOn.getTime() === year.startsOn.getTime();
}
