import { newId } from '../db/ids.ts';
import type { Tx } from '../db/transaction.ts';
import { record } from '../events/record.ts';
import { mutate, type Context } from './context.ts';
import { readable } from './resources.ts';
import type { School, SchoolYear } from './entities.ts';

/** School years: from 1 September to 31 August, in the school's time zone. */

/** Caches one formatter for each time zone: creating a formatter takes a hundred times as long as using it. */
// eslint-disable-next-line no-restricted-syntax -- formatters are constants, made on first use.
const calendars = new Map<string, Intl.DateTimeFormat>();

/** Returns the day at an instant in a time zone, such as 2026-09-01. */
export function dayIn(timeZone: string, instant: Date): string {
  let calendar = calendars.get(timeZone);
  if (calendar === undefined) {
    // The Swedish format is ISO 8601.
    calendar = new Intl.DateTimeFormat('sv-SE', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' });
    calendars.set(timeZone, calendar);
  }
  return calendar.format(instant);
}

/** Returns the instant at which a day such as 2026-09-01 begins in a time zone. */
export function startOfDay(timeZone: string, day: string): Date {
  const utc = Date.parse(`${day}T00:00:00Z`);
  const shown = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' }).format(utc);
  return new Date(utc - (Date.parse(`${shown.replace(' ', 'T')}Z`) - utc));
}

/** Returns the first and last day of the school year around a day. July and August belong to the year before. */
export function yearAround(day: string): { startsOn: Date; endsOn: Date } {
  const [year, month] = day.split('-').map(Number) as [number, number];
  const first = month >= 9 ? year : year - 1;
  return { startsOn: new Date(`${first}-09-01`), endsOn: new Date(`${first + 1}-08-31`) };
}

export const presentYear = (school: School): { startsOn: Date; endsOn: Date } => yearAround(dayIn(school.timeZone, new Date()));

/** Returns whether the last day of a year is over in a time zone. */
export const hasEnded = ({ endsOn }: Pick<SchoolYear, 'endsOn'>, timeZone: string, instant: Date): boolean =>
  dayIn(timeZone, instant) > dayOf(endsOn);

/** Returns a day that the database stores, such as 2026-09-01. */
export const dayOf = (stored: Date): string => stored.toISOString().slice(0, 10);

/** Returns the name of a year, such as «2026/2027». */
export function nameOfYear(year: SchoolYear): string {
  const first = year.startsOn.getUTCFullYear();
  return `${first}/${first + 1}`;
}

/**
 * Within the caller's transaction: returns the school year that contains an instant, in the school's time zone. Creates this
 * year and the next year if they do not exist. The next year is there early, so that its classes can be prepared.
 */
export async function schoolYearOf(tx: Tx, schoolId: string, instant: Date): Promise<SchoolYear> {
  const { timeZone } = await tx.prisma.school.findUniqueOrThrow({ where: { id: schoolId } });
  const days = yearAround(dayIn(timeZone, instant));
  // Concurrent transactions that create the same year use the same row.
  const next = yearAround(new Date(days.endsOn.getTime() + 86_400_000).toISOString());
  await tx.prisma.schoolYear.createMany({
    data: [
      { schoolId, ...days },
      { schoolId, ...next },
    ],
    skipDuplicates: true,
  });
  return tx.prisma.schoolYear.findUniqueOrThrow({ where: { schoolId_startsOn: { schoolId, startsOn: days.startsOn } } });
}

/**
 * Within the caller's transaction: returns the year that the people of a school are in. That is the present year or, once a
 * plan has turned the year early, the next one: the present year then has no open class, and the next one has some.
 */
export async function workingYearOf(tx: Tx, schoolId: string): Promise<SchoolYear> {
  const present = await schoolYearOf(tx, schoolId, new Date());
  const next = await nextYearOf(tx, present);
  const open = await tx.prisma.class.groupBy({
    by: ['schoolYearId'],
    where: { schoolYearId: { in: [present.id, next.id] }, archivedAt: null },
  });
  const hasOpen = ({ id }: SchoolYear): boolean => open.some(({ schoolYearId }) => schoolYearId === id);
  return !hasOpen(present) && hasOpen(next) ? next : present;
}

/** Returns the year before a year; null if the school does not have it. */
export const previousYearOf = (tx: Tx, { schoolId, startsOn }: SchoolYear): Promise<SchoolYear | null> =>
  tx.prisma.schoolYear.findUnique({
    where: { schoolId_startsOn: { schoolId, startsOn: new Date(Date.UTC(startsOn.getUTCFullYear() - 1, 8, 1)) } },
  });

/** Returns the year after the present one. `schoolYearOf` has created it. */
export const nextYearOf = (tx: Tx, { schoolId, endsOn }: SchoolYear): Promise<SchoolYear> =>
  tx.prisma.schoolYear.findUniqueOrThrow({ where: { schoolId_startsOn: { schoolId, startsOn: new Date(endsOn.getTime() + 86_400_000) } } });

/**
 * Selects the schools whose present year has not been recorded as started. A school's first year counts as started.
 * Parameters: the time zones, and the first day of the present school year in each time zone.
 */
const selectDue = `
  select s.id from school s join unnest($1::text[], $2::date[]) as zone (time_zone, starts_on) on zone.time_zone = s.time_zone
  where (select coalesce(max(y.starts_on) filter (where y.started_at is not null), min(y.starts_on))
         from school_year y where y.school_id = s.id) < zone.starts_on
  order by s.id`;

/** Returns the ids of the schools whose present year, in their time zones, has no `schoolYear.started` yet. */
export async function schoolsWithDueYear(ctx: Context, instant: Date): Promise<string[]> {
  const zones = await ctx.db.reads.query<{ timeZone: string }>({ text: 'select distinct time_zone as "timeZone" from school', values: [] });
  const names = zones.rows.map(({ timeZone }) => timeZone);
  const firstDays = names.map((timeZone) => dayOf(yearAround(dayIn(timeZone, instant)).startsOn));
  const { rows } = await ctx.db.reads.query<{ id: string }>({ text: selectDue, values: [names, firstDays] });
  return rows.map(({ id }) => id);
}

/**
 * Records the start of the school year that contains an instant, and creates the next year. The start is recorded once, even
 * if several processes call this: only one transaction finds the year without a start.
 */
export function startSchoolYear(ctx: Context, schoolId: string, instant: Date): Promise<void> {
  // The event log stores the request id as the cause of the events. So each start of a year gets a request id of its own.
  return mutate({ ...ctx, requestId: newId() }, async (tx) => {
    const { id } = await schoolYearOf(tx, schoolId, instant);
    const { count } = await tx.prisma.schoolYear.updateMany({ where: { id, startedAt: null }, data: { startedAt: new Date() } });
    if (count === 1) record(tx, 'schoolYear.started', { schoolId, schoolYearId: id });
  });
}

/** Returns the years of a school, latest first; batched. */
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

/** Returns the year that contains today, if the school has it. */
export async function currentYearOf(ctx: Context, school: School): Promise<SchoolYear | null> {
  const { startsOn } = presentYear(school);
  const years = await yearsOf(ctx, school);
  return years.find((year) => year.startsOn.getTime() === startsOn.getTime()) ?? null;
}

/** Returns whether the year contains today, in its school's time zone. */
export async function isCurrent(ctx: Context, year: SchoolYear): Promise<boolean> {
  const school = await ctx.loaders.byId('School', year.schoolId);
  return school !== null && presentYear(school).startsOn.getTime() === year.startsOn.getTime();
}
