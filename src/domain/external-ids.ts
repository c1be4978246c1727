import { can, where } from '../policy/can.ts';
import type { Database } from '../db/client.ts';
import { violates, type Tx } from '../db/transaction.ts';
import { conflict, invalid } from '../errors.ts';
import type { Filter } from '../policy/scopes.ts';
import type { Context } from './context.ts';
import type { User } from './entities.ts';
import { normalizeLine } from './text.ts';

/**
 * Identifiers of people, classes and subjects in other systems of their school. The import of a file (`planImport`) finds
 * people, classes and subjects by these ids. Each type has its own table, because a foreign key refers to one table.
 * Regulation 1.5.
 */

export interface ExternalId {
  system: string;
  value: string;
}

export type IdentifiedType = 'User' | 'Class' | 'Subject';

const maxIds = 20;

/**
 * Returns the checked ids. Returns undefined for null and for an omitted list: the caller then keeps the present ids.
 * @throws INVALID at `externalIds` for more than 20 ids, for a system that occurs twice, and for unusable texts.
 */
export function normalizeExternalIds(input: readonly ExternalId[] | null | undefined): ExternalId[] | undefined {
  if (input === undefined || input === null) return undefined;
  const ids = input.map(({ system, value }) => ({
    system: normalizeLine('externalIds', system, 50),
    value: normalizeLine('externalIds', value, 100),
  }));
  if (ids.length > maxIds || new Set(ids.map((id) => id.system)).size < ids.length)
    throw invalid('externalIds', ['Укажите не больше 20 систем, каждую один раз.', 'Give at most 20 systems, each of them once.']);
  return ids;
}

const tables = {
  User: { table: 'user_external_id', column: 'user_id' },
  Class: { table: 'class_external_id', column: 'class_id' },
  Subject: { table: 'subject_external_id', column: 'subject_id' },
} as const;

interface Target {
  type: IdentifiedType;
  schoolId: string;
  id: string;
}

/**
 * Within the caller's transaction: replaces the ids that a row has in a school. Returns false if the row has exactly these
 * ids already.
 */
export async function replaceExternalIds(tx: Tx, { type, schoolId, id }: Target, ids: readonly ExternalId[]): Promise<boolean> {
  const { table, column } = tables[type];
  const target = [schoolId, id];
  const rows = await tx.query<ExternalId>(`select system, value from ${table} where school_id = $1 and ${column} = $2`, target);
  const present = new Map(rows.map(({ system, value }) => [system, value]));
  if (present.size === ids.length && ids.every(({ system, value }) => present.get(system) === value)) return false;
  await tx.execute(`delete from ${table} where school_id = $1 and ${column} = $2 returning system`, target);
  await tx.execute(
    `insert into ${table} (school_id, ${column}, system, value)
     select $1, $2, item->>'system', item->>'value' from jsonb_array_elements($3::jsonb) item returning system`,
    [...target, JSON.stringify(ids)],
  );
  return true;
}

/**
 * Waits for a change. @throws CONFLICT at `externalIds` if the change gives an external id that another row of the school
 * has.
 */
export async function withExternalIdConflict<T>(changed: Promise<T>): Promise<T> {
  try {
    return await changed;
  } catch (error) {
    if (!Object.values(tables).some(({ table }) => violates(error, `${table}_school_id_system_value_key`))) throw error;
    throw conflict(['Этот внешний идентификатор в школе уже занят.', 'Another object of the school already has this external ID.'], {
      path: ['externalIds'],
    });
  }
}

interface IdOfSchool extends ExternalId {
  schoolId: string;
}

type ReadIds = (db: Database, ids: string[], school: Filter) => Promise<(IdOfSchool & { id: string })[]>;

const readers: Record<IdentifiedType, ReadIds> = {
  User: async ({ prisma }, ids, school) => {
    const rows = await prisma.userExternalId.findMany({ where: { userId: { in: ids }, school }, orderBy: { system: 'asc' } });
    return rows.map(({ userId: id, schoolId, system, value }) => ({ id, schoolId, system, value }));
  },
  Class: async ({ prisma }, ids, school) => {
    const of = { classId: { in: ids }, class: { school } };
    const rows = await prisma.classExternalId.findMany({ where: of, orderBy: { system: 'asc' } });
    return rows.map(({ classId: id, schoolId, system, value }) => ({ id, schoolId, system, value }));
  },
  Subject: async ({ prisma }, ids, school) => {
    const of = { subjectId: { in: ids }, subject: { school } };
    const rows = await prisma.subjectExternalId.findMany({ where: of, orderBy: { system: 'asc' } });
    return rows.map(({ subjectId: id, schoolId, system, value }) => ({ id, schoolId, system, value }));
  },
};

/**
 * Returns the ids of a row in other systems, ordered by system. Returns only ids of schools whose external ids the actor may
 * read. Batched.
 */
export async function externalIdsOfRow(ctx: Context, type: IdentifiedType, id: string, schoolId?: string | null): Promise<ExternalId[]> {
  const ofRow = await ctx.loaders.of<IdOfSchool[]>(`${type}.externalIds`, id, async (ids) => {
    const byRow = new Map<string, IdOfSchool[]>();
    for (const { id: rowId, ...found } of await readers[type](ctx.db, [...ids], where(ctx.actor, 'externalId.read')))
      byRow.set(rowId, [...(byRow.get(rowId) ?? []), found]);
    return byRow;
  });
  return (ofRow ?? []).filter((row) => typeof schoolId !== 'string' || row.schoolId === schoolId);
}

export interface ExternalIdKey extends ExternalId {
  schoolId: string;
}

/**
 * Returns the person who has this id in another system that the school uses. Returns null if nobody has the id, and if the
 * actor may not read the school's external ids or the person.
 */
export async function userByExternalId(ctx: Context, { schoolId, system, value }: ExternalIdKey): Promise<User | null> {
  const key = { schoolId, system: normalizeLine('system', system, 50), value: normalizeLine('value', value, 100) };
  if (!can(ctx.actor, 'externalId.read', { schoolId })) return null;
  const found = await ctx.db.prisma.userExternalId.findUnique({ where: { schoolId_system_value: key } });
  return found && ctx.loaders.byId('User', found.userId);
}
