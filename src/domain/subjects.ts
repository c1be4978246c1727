import type { Tx } from '../db/transaction.ts';
import { conflict } from '../errors.ts';
import { record } from '../events/record.ts';
import type { Plain } from '../reader/row-view.ts';
import { findFor, lockName } from './access.ts';
import { confusableKey } from './confusables.ts';
import { mutate, type Context } from './context.ts';
import { orderByText, paginateChildren } from './connection.ts';
import { readable } from './resources.ts';
import type { Page, PageArgs, School, Subject } from './entities.ts';
import { alphabetical, normalizeLine } from './text.ts';

/** Creates a subject, to which teachers can be assigned in classes. Regulation 2.1 g. */
export async function createSubject(ctx: Context, input: { schoolId: string; name: string }): Promise<Subject> {
  const school = await findFor(ctx, 'School', input.schoolId, 'subject.create');
  const fields = subjectFields(input.name);
  return mutate(ctx, async (tx) => {
    const subject = { schoolId: school.id, ...fields };
    await refuseNamesake(tx, subject);
    const created = await tx.prisma.subject.create({ data: subject });
    record(tx, 'subject.created', { schoolId: school.id, subjectId: created.id });
    return created;
  });
}

/** Returns the checked name of a subject, with the sort key. @throws INVALID for an unusable name. */
export function subjectFields(text: string): Pick<Plain<Subject>, 'name' | 'sortKey'> {
  const name = normalizeLine('name', text, 100);
  return { name, sortKey: alphabetical(name) };
}

/**
 * Within the caller's transaction: refuses a name that looks like that of another subject. Case, spaces and look-alike
 * letters make no difference. Also refuses an equal sort key, because the database keeps sort keys unique: `alphabetical`
 * gives «я» the key of «ѐ».
 * @throws CONFLICT.
 */
export async function refuseNamesake(tx: Tx, { schoolId, name, sortKey }: Pick<Subject, 'schoolId' | 'name' | 'sortKey'>): Promise<void> {
  await lockName(tx, 'unique name', `subject names ${schoolId}`);
  const others = await tx.prisma.subject.findMany({ where: { schoolId }, select: { name: true, sortKey: true } });
  const key = confusableKey(name);
  if (others.some((other) => other.sortKey === sortKey || confusableKey(other.name) === key))
    throw conflict(['Такой предмет в школе уже есть.', 'The school already has this subject.'], { path: ['name'] });
}

const subjectOrder = orderByText('subject', 'sortKey');

/** Returns the subjects of a school, in alphabetical order. */
export function subjectsOf(ctx: Context, school: School, args: PageArgs): Promise<Page<Subject>> {
  return paginateChildren<Subject>(ctx, { model: 'School', id: school.id, relation: 'subjects' }, args, {
    order: subjectOrder,
    filter: readable(ctx.actor, 'Subject'),
  });
}
