import type { Tx } from '../db/transaction.ts';
import { conflict, invalid, notFound } from '../errors.ts';
import { record } from '../events/record.ts';
import { find, findClass, findSchool, lock, lockName } from './access.ts';
import { confusableKey, inCyrillic } from './confusables.ts';
import { mutate, type Context } from './context.ts';
import { idempotent, type Repeatable } from './idempotency.ts';
import { paginateChildren } from './connection.ts';
import { readable } from './resources.ts';
import type { Class, Page, PageArgs, School } from './entities.ts';
import { presentYear, schoolYearOf } from './school-years.ts';
import { alphabetical, normalizeLine } from './text.ts';

/** Classes of a school: made, renamed, listed. How a class ends: src/domain/archive-class.ts. */

/** «5А». */
export const nameOfClass = ({ grade, letter }: Pick<Class, 'grade' | 'letter'>): string => `${grade}${letter}`;

export interface CreateClassInput extends Repeatable {
  schoolId: string;
  grade: number;
  letter: string;
  schoolYearId?: string | null;
}

/** Makes a class, in the present school year unless another is named. Regulation 2.1 b. */
export async function createClass(ctx: Context, input: CreateClassInput): Promise<Class> {
  const school = await findSchool(ctx, input.schoolId, 'class.create');
  const named = naming(input.grade, letterOf(input.letter));
  const year = input.schoolYearId ? await find(ctx, 'SchoolYear', input.schoolYearId, 'schoolYearId') : null;
  if (year !== null && year.schoolId !== school.id) throw notFound('schoolYearId');
  return mutate(ctx, (tx) =>
    idempotent(ctx, tx, 'class.create', input, (id) => tx.class.findUniqueOrThrow({ where: { id } }), async () => {
      const { id: schoolYearId } = year ?? (await schoolYearOf(tx, school.id, new Date()));
      await refuseNamesake(tx, { schoolYearId, ...named });
      const made = await tx.class.create({ data: { schoolId: school.id, schoolYearId, ...named } });
      record(tx, 'class.created', { schoolId: school.id, classId: made.id });
      return made;
    }),
  );
}

/** Gives a class another grade or letter; what it has already changes nothing. Regulation 2.1 b. */
export async function updateClass(
  ctx: Context,
  input: { classId: string; grade?: number | null; letter?: string | null },
): Promise<Class> {
  const found = await findClass(ctx, input.classId, 'class.update');
  const letter = typeof input.letter === 'string' ? letterOf(input.letter) : null;
  return mutate(ctx, async (tx) => {
    const now = await lockOpenClass(tx, found.id, 'change');
    const named = naming(input.grade ?? now.grade, letter ?? now.letter);
    if (named.grade === now.grade && named.letter === now.letter) return now;
    await refuseNamesake(tx, { ...now, ...named });
    const updated = await tx.class.update({ where: { id: now.id }, data: named });
    record(tx, 'class.updated', { schoolId: updated.schoolId, classId: updated.id });
    return updated;
  });
}

function demandGrade(grade: number): void {
  if (!Number.isInteger(grade) || grade < 1 || grade > 11)
    throw invalid('grade', ['Параллель — от 1 до 11.', 'The grade is from 1 to 11.']);
}

const longest = 15;

function naming(grade: number, letter: string): Pick<Class, 'grade' | 'letter' | 'sortKey'> {
  demandGrade(grade);
  return { grade, letter, sortKey: `${String(grade).padStart(2, '0')}${alphabetical(letter)}` };
}

/**
 * Returns the letter as it is stored: in Cyrillic capitals if possible, without full-width and other forms of Latin
 * letters and digits.
 */
function letterOf(text: string): string {
  const plain = normalizeLine('letter', text, longest).replace(/[\p{L}\p{Nd}]/gu, (sign) => {
    const form = sign.normalize('NFKC');
    return /^[a-z0-9]+$/i.test(form) ? form : sign;
  });
  const written = inCyrillic(plain.normalize('NFC')).replace(/\p{Script=Cyrillic}+/gu, (letters) => letters.toUpperCase());
  // The database counts code points, of which a compound character has several.
  if ([...written].length > longest || confusableKey(written) === '')
    throw invalid('letter', [
      `Литера класса — от 1 до ${longest} символов, среди них буква или цифра.`,
      `The letter of a class has 1 to ${longest} characters, among them a letter or a digit.`,
    ]);
  return written;
}

/**
 * Refuses a class whose name reads like that of another one of its grade and year: «9А» is also «9a» in Latin letters, and
 * «9-А».
 */
async function refuseNamesake(tx: Tx, { id, schoolYearId, grade, letter }: Pick<Class, 'schoolYearId' | 'grade' | 'letter'> & { id?: string }): Promise<void> {
  await lockName(tx, `class names ${schoolYearId}`);
  const others = await tx.class.findMany({ where: { schoolYearId, grade, ...(id === undefined ? {} : { id: { not: id } }) }, select: { letter: true } });
  const key = confusableKey(letter);
  if (others.some((other) => confusableKey(other.letter) === key))
    throw conflict(
      ['Такой класс в этом учебном году уже есть.', 'There is such a class in this school year already.'],
      { path: ['letter'] },
    );
}

/** The step: locks a class that is not archived; an archived one takes no pupils, no teachers and no changes. */
export async function lockOpenClass(tx: Tx, classId: string, purpose: 'change' | 'hold'): Promise<Class> {
  const found = await lock(tx, 'Class', classId, purpose);
  if (found.archivedAt !== null)
    throw conflict(['Класс в архиве: он больше не меняется.', 'The class is archived: it no longer changes.'], { path: ['classId'] });
  return found;
}

export interface ClassFilter {
  /** Left out: the present year. Null: all years. */
  schoolYearId?: string | null;
  grade?: number | null;
  includeArchived?: boolean | null;
}

/**
 * Returns the classes of a school that the actor may read, in school order: by grade, then by letter.
 * @throws INVALID for a grade outside 1 to 11.
 */
export function classesOf(ctx: Context, school: School, args: PageArgs & ClassFilter): Promise<Page<Class>> {
  if (typeof args.grade === 'number') demandGrade(args.grade);
  const order = { tag: 'class', keys: [{ field: 'sortKey', direction: 'asc', type: 'string' }, { field: 'id', direction: 'asc', type: 'string' }] } as const;
  const ofYear = args.schoolYearId === undefined ? { year: { startsOn: presentYear(school).startsOn } } : args.schoolYearId === null ? {} : { schoolYearId: args.schoolYearId };
  return paginateChildren<Class>(ctx, { model: 'School', id: school.id, relation: 'classes' }, args, order, {
    AND: [
      ofYear,
      args.grade ? { grade: args.grade } : {},
      args.includeArchived ? {} : { archivedAt: null },
      readable(ctx.actor, 'Class'),
    ],
  });
}

/** How many pupils a class has now; every class of a level in one statement. Whoever sees the class sees its size. */
export async function studentCountOf(ctx: Context, { id }: Class): Promise<number> {
  const count = await ctx.loaders.of<number>('Class.studentCount', id, async (classIds) => {
    const groups = await ctx.db.prisma.enrolment.groupBy({
      by: ['classId'],
      where: { classId: { in: [...classIds] }, endedAt: null },
      _count: true,
    });
    return new Map(groups.map((group) => [group.classId, group._count]));
  });
  return count ?? 0;
}
