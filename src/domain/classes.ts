import type { Tx } from '../db/transaction.ts';
import { conflict, invalid, notFound } from '../errors.ts';
import type { Filter } from '../policy/scopes.ts';
import { plain } from '../reader/row-view.ts';
import { record } from '../events/record.ts';
import { find, findFor, lock, lockName } from './access.ts';
import { confusableKey, inCyrillic } from './confusables.ts';
import { mutate, type Context } from './context.ts';
import { idempotent, type Repeatable } from './idempotency.ts';
import { orderByText, paginateChildren } from './connection.ts';
import { readable } from './resources.ts';
import type { Class, Page, PageArgs, School } from './entities.ts';
import { presentYear, schoolYearOf } from './school-years.ts';
import { alphabetical, normalizeLine } from './text.ts';

/** Creates, renames and lists classes. src/domain/archive-class.ts and unarchive-class.ts archive and unarchive them. */

/** Returns the name of a class, such as «5А». */
export const nameOfClass = ({ grade, letter }: Pick<Class, 'grade' | 'letter'>): string => `${grade}${letter}`;

export interface CreateClassInput extends Repeatable {
  schoolId: string;
  grade: number;
  letter: string;
  schoolYearId?: string | null;
}

/** Creates a class, by default in the present school year. Regulation 2.1 b. */
export async function createClass(ctx: Context, input: CreateClassInput): Promise<Class> {
  const school = await findFor(ctx, 'School', input.schoolId, 'class.create');
  const fields = nameFields(input.grade, letterOf(input.letter));
  const year = input.schoolYearId ? await find(ctx, 'SchoolYear', input.schoolYearId, 'schoolYearId') : null;
  if (year !== null && year.schoolId !== school.id) throw notFound('schoolYearId');
  return mutate(ctx, (tx) =>
    idempotent(ctx, tx, {
      action: 'class.create',
      input,
      load: (id) => tx.prisma.class.findUniqueOrThrow({ where: { id } }),
      create: async () => {
        const { id: schoolYearId } = year ?? (await schoolYearOf(tx, school.id, new Date()));
        await refuseNamesake(tx, { schoolYearId, ...fields });
        const created = await tx.prisma.class.create({ data: { schoolId: school.id, schoolYearId, ...fields } });
        record(tx, 'class.created', { schoolId: school.id, classId: created.id });
        return created;
      },
    }),
  );
}

/** Updates the grade or the letter of a class. Does nothing if nothing changes. Regulation 2.1 b. */
export async function updateClass(ctx: Context, input: { classId: string; grade?: number | null; letter?: string | null }): Promise<Class> {
  const found = await findFor(ctx, 'Class', input.classId, 'class.update');
  const letter = typeof input.letter === 'string' ? letterOf(input.letter) : null;
  return mutate(ctx, async (tx) => {
    const current = await lockOpenClass(tx, found.id, 'change');
    const fields = nameFields(input.grade ?? current.grade, letter ?? current.letter);
    if (fields.grade === current.grade && fields.letter === current.letter) return current;
    await refuseNamesake(tx, { ...plain(current), ...fields });
    const updated = await tx.prisma.class.update({ where: { id: current.id }, data: fields });
    record(tx, 'class.updated', { schoolId: updated.schoolId, classId: updated.id });
    return updated;
  });
}

const maxGrade = 11;

function checkGrade(grade: number): void {
  if (!Number.isInteger(grade) || grade < 1 || grade > maxGrade)
    throw invalid('grade', [`Параллель должна быть от 1 до ${maxGrade}.`, `The grade must be between 1 and ${maxGrade}.`]);
}

const maxLetterLength = 15;

/** Returns the checked grade and letter of a class, with the sort key. @throws INVALID for a grade outside 1 to 11. */
export function nameFields(grade: number, letter: string): Pick<Class, 'grade' | 'letter' | 'sortKey'> {
  checkGrade(grade);
  return { grade, letter, sortKey: `${String(grade).padStart(2, '0')}${alphabetical(letter)}` };
}

/** Returns a letter in the form that is stored: in Cyrillic capitals if possible, and without full-width and similar forms. */
function storedLetter(text: string): string {
  const line = text.replace(/[\p{L}\p{Nd}]/gu, (character) => {
    const compatible = character.normalize('NFKC');
    return /^[a-z0-9]+$/i.test(compatible) ? compatible : character;
  });
  return inCyrillic(line.normalize('NFC')).replace(/\p{Script=Cyrillic}+/gu, (letters) => letters.toUpperCase());
}

/** Returns the letter for storage. @throws INVALID for a text that is too long, or has neither a letter nor a digit. */
export function letterOf(text: string): string {
  const normalized = storedLetter(normalizeLine('letter', text, maxLetterLength));
  // Checks the length again in code points, as the database does. `normalizeLine` counts a compound character as one.
  if ([...normalized].length > maxLetterLength || confusableKey(normalized) === '')
    throw invalid('letter', [
      `Литера класса должна содержать от 1 до ${maxLetterLength} символов, среди них букву или цифру.`,
      `The letter of a class must have 1 to ${maxLetterLength} characters, at least one of them a letter or a digit.`,
    ]);
  return normalized;
}

/**
 * Refuses a class whose name looks like that of another class of its grade and year, such as «9A» in Latin letters or «9-А».
 * Archived classes count too: they keep their names, so that they can be unarchived.
 * @throws CONFLICT.
 */
export async function refuseNamesake(
  tx: Tx,
  { id, schoolYearId, grade, letter }: Pick<Class, 'schoolYearId' | 'grade' | 'letter'> & { id?: string },
): Promise<void> {
  await lockName(tx, 'unique name', `class names ${schoolYearId}`);
  const others = await tx.prisma.class.findMany({
    where: { schoolYearId, grade, ...(id === undefined ? {} : { id: { not: id } }) },
    select: { letter: true, archivedAt: true },
  });
  const key = confusableKey(letter);
  const namesake = others.find((other) => confusableKey(other.letter) === key);
  if (namesake === undefined) return;
  throw conflict(
    namesake.archivedAt === null
      ? ['Такой класс в этом учебном году уже есть.', 'This class already exists in this school year.']
      : [
          'Такой класс в этом учебном году уже есть в архиве: верните его из архива или выберите другую литеру.',
          'This class already exists in this school year and is archived: unarchive it, or choose another letter.',
        ],
    { path: ['letter'] },
  );
}

/** Locks a class. @throws CONFLICT for an archived class, which takes no pupils, no teachers and no changes. */
export async function lockOpenClass(tx: Tx, classId: string, purpose: 'change' | 'hold'): Promise<Class> {
  const found = await lock(tx, 'Class', classId, purpose);
  if (found.archivedAt !== null)
    throw conflict(['Класс в архиве: изменить его нельзя.', 'The class is archived and cannot be changed.'], { path: ['classId'] });
  return found;
}

export interface ClassFilter {
  /** Undefined: the present year, which changes on 1 September at 00:00 in the school's time zone. Null: all years. */
  schoolYearId?: string | null;
  grade?: number | null;
  includeArchived?: boolean | null;
  /** True: only archived classes. False: only active classes. Overrides `includeArchived`. */
  archived?: boolean | null;
  /** A part of a name: «5», «5А» or «А». */
  search?: string | null;
}

const classOrder = orderByText('class', 'sortKey');

/**
 * Returns the classes of a school that the actor may read, in school order: by grade, then by letter.
 * @throws INVALID for a grade outside 1 to 11, and for a search that is too long.
 */
export function classesOf(ctx: Context, school: School, args: PageArgs & ClassFilter): Promise<Page<Class>> {
  if (typeof args.grade === 'number') checkGrade(args.grade);
  const yearFilter =
    args.schoolYearId === undefined
      ? { year: { startsOn: presentYear(school).startsOn } }
      : args.schoolYearId === null
        ? {}
        : { schoolYearId: args.schoolYearId };
  return paginateChildren<Class>(ctx, { model: 'School', id: school.id, relation: 'classes' }, args, {
    order: classOrder,
    filter: {
      AND: [
        yearFilter,
        args.grade ? { grade: args.grade } : {},
        archivedFilter(args),
        nameFilter(args.search ?? ''),
        readable(ctx.actor, 'Class'),
      ],
    },
  });
}

function archivedFilter({ archived, includeArchived }: ClassFilter): Filter {
  if (typeof archived === 'boolean') return { archivedAt: archived ? { not: null } : null };
  return includeArchived ? {} : { archivedAt: null };
}

/**
 * Returns the filter for a search. Digits alone match grades that begin with these digits: «1» finds 1, 10 and 11. Digits
 * before letters must be the whole grade: «1А» finds 1А, not 11А.
 */
function nameFilter(search: string): Filter {
  if (search.trim() === '') return {};
  const [, digits = '', rest = ''] = /^(\d*)[\s\p{Pd}]*(.*)$/u.exec(normalizeLine('search', search, 30))!;
  const grades = Array.from({ length: maxGrade }, (_none, n) => n + 1).filter((grade) =>
    rest === '' ? `${grade}`.startsWith(digits) : digits === '' || grade === Number(digits),
  );
  return { AND: [{ grade: { in: grades } }, rest === '' ? {} : { letter: { contains: storedLetter(rest) } }] };
}

/** Returns the number of pupils of a class, including pupils whom the actor may not see. Batched. */
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
