import { newId } from '../db/ids.ts';
import { invalid } from '../errors.ts';
import { record } from '../events/record.ts';
import { findFor, lock } from './access.ts';
import { mutate, type Context } from './context.ts';
import type { SchoolYear, Term } from './entities.ts';
import { readable } from './resources.ts';
import { dayIn, dayOf } from './school-years.ts';

/** The terms of a school year: four quarters or three trimesters, with holidays between them. */

export interface TermDays {
  /** The first and the last day, such as 2026-09-01. */
  startsOn: string;
  endsOn: string;
}

export interface SetTermsInput {
  schoolYearId: string;
  kind: Term['kind'];
  terms: readonly TermDays[];
}

/**
 * Replaces the terms of a school year. A term keeps its id if the kind stays the same: a corrected day does not make another
 * term. Does nothing if the year has these terms already. Regulation 2.1 b.
 * @throws INVALID unless there are four quarters or three trimesters, in their order, without an overlap, in the year.
 */
export async function setTerms(ctx: Context, input: SetTermsInput): Promise<SchoolYear> {
  const found = await findFor(ctx, 'SchoolYear', input.schoolYearId, 'terms.set');
  checkTerms(found, input);
  const { kind, terms } = input;
  return mutate(ctx, async (tx) => {
    const year = await lock(tx, 'SchoolYear', found.id);
    const { id: schoolYearId, schoolId } = year;
    const present = await tx.prisma.term.findMany({ where: { schoolYearId }, orderBy: { number: 'asc' } });
    if (areEqual(present, input)) return year;
    const ids = present.filter((term) => term.kind === kind).map(({ id }) => id);
    await tx.prisma.term.deleteMany({ where: { schoolYearId } });
    await tx.prisma.term.createMany({
      data: terms.map(({ startsOn, endsOn }, n) => ({
        id: ids[n] ?? newId(),
        schoolId,
        schoolYearId,
        kind,
        number: n + 1,
        startsOn: new Date(startsOn),
        endsOn: new Date(endsOn),
      })),
    });
    record(tx, 'terms.set', { schoolId, schoolYearId });
    return year;
  });
}

const areEqual = (present: readonly Term[], { kind, terms }: SetTermsInput): boolean =>
  present.length === terms.length &&
  present.every((term, n) => term.kind === kind && dayOf(term.startsOn) === terms[n]!.startsOn && dayOf(term.endsOn) === terms[n]!.endsOn);

const termCounts = { QUARTER: 4, TRIMESTER: 3 } as const;

/** Checks the number and the days of the terms. Compares days such as 2026-09-01 as texts. @throws INVALID. */
function checkTerms(year: SchoolYear, { kind, terms }: SetTermsInput): void {
  if (terms.length !== termCounts[kind])
    throw invalid('terms', [
      'В учебном году 4 четверти или 3 триместра: укажите столько периодов.',
      'A school year has 4 quarters or 3 trimesters: give as many terms.',
    ]);
  for (const [n, { startsOn, endsOn }] of terms.entries()) {
    if (startsOn < dayOf(year.startsOn) || endsOn > dayOf(year.endsOn))
      throw invalidTerm(n, startsOn < dayOf(year.startsOn) ? 'startsOn' : 'endsOn', [
        'выходит за пределы учебного года',
        'is not inside the school year',
      ]);
    if (endsOn < startsOn) throw invalidTerm(n, 'endsOn', ['заканчивается раньше, чем начинается', 'ends before it starts']);
    if (n > 0 && startsOn <= terms[n - 1]!.endsOn)
      throw invalidTerm(n, 'startsOn', ['начинается раньше, чем закончился предыдущий', 'starts before the previous one has ended']);
  }
}

const invalidTerm = (n: number, field: keyof TermDays, [ru, en]: readonly [ru: string, en: string]) =>
  invalid(['terms', `${n}`, field], [`Период ${n + 1} ${ru}. Исправьте даты.`, `Term ${n + 1} ${en}. Correct its days.`]);

/** Returns the terms of a year, in their order; batched. */
export async function termsOf(ctx: Context, { id }: SchoolYear): Promise<Term[]> {
  const terms = await ctx.loaders.of<Term[]>('SchoolYear.terms', id, async (yearIds) => {
    const rows = await ctx.db.prisma.term.findMany({
      where: { AND: [{ schoolYearId: { in: [...yearIds] } }, readable(ctx.actor, 'Term')] },
      orderBy: { number: 'asc' },
    });
    return new Map(yearIds.map((yearId) => [yearId, rows.filter((row) => row.schoolYearId === yearId)]));
  });
  return terms ?? [];
}

/** Returns the term of a year that contains today in the school's time zone; null in the holidays and in other years. */
export async function currentTermOf(ctx: Context, year: SchoolYear): Promise<Term | null> {
  const school = await ctx.loaders.byId('School', year.schoolId);
  if (school === null) return null;
  const today = dayIn(school.timeZone, new Date());
  return (await termsOf(ctx, year)).find(({ startsOn, endsOn }) => dayOf(startsOn) <= today && today <= dayOf(endsOn)) ?? null;
}
