import { paginate } from '../db/pagination.ts';
import { violates, type Tx } from '../db/transaction.ts';
import { conflict, forbidden, invalid } from '../errors.ts';
import { encodeCursor } from '../events/cursor.ts';
import { record } from '../events/record.ts';
import { findSchool, lock } from './access.ts';
import { mutate, type Context } from './context.ts';
import type { Loaders } from './loaders.ts';
import { readable } from './resources.ts';
import { changesNothing, type Page, type PageArgs, type School } from './entities.ts';
import { schoolYearOf } from './school-years.ts';
import { normalizeLine, normalizeOptionalLine } from './text.ts';

/** Schools: set up by the operator, described by their administrator. */

export interface ExternalIdInput {
  system: string;
  value: string;
}

export interface SchoolInput {
  name?: string | null;
  fullName?: string | null;
  address?: string | null;
  district?: string | null;
  region?: string | null;
  timeZone?: string | null;
  externalIds?: readonly ExternalIdInput[] | null;
}

/** Sets up a school, with its log and its present year. For the operator alone: it is not in the schema. */
export async function createSchool(ctx: Context, input: SchoolInput & { name: string }): Promise<School> {
  if (ctx.actor.kind !== 'operator') throw forbidden();
  const { name, fullName = name, ...rest } = fields(input);
  const ids = externalIds(input.externalIds) ?? [];
  return orTaken(
    mutate(ctx, async (tx) => {
      const school = await tx.school.create({
        data: { ...rest, name: name!, fullName: fullName!, head: { create: {} }, externalIds: { create: ids } },
      });
      await schoolYearOf(tx, school.id, school.createdAt);
      record(tx, 'school.created', { schoolId: school.id });
      return school;
    }),
  );
}

/**
 * Updates the school's details. Omitted fields keep their values, `externalIds` replace all former ones, and values that
 * are set already change nothing. Regulation 2.1 a.
 */
export async function updateSchool(ctx: Context, input: SchoolInput & { schoolId: string }): Promise<School> {
  const found = await findSchool(ctx, input.schoolId, 'school.update');
  const data = fields(input);
  const ids = externalIds(input.externalIds);
  return orTaken(
    mutate(ctx, async (tx) => {
      const now = await lock(tx, 'School', found.id);
      const replaced = ids !== undefined && (await replaceExternalIds(tx, found.id, ids));
      if (!replaced && changesNothing(now, data)) return now;
      const school = await tx.school.update({ where: { id: found.id }, data });
      record(tx, 'school.updated', { schoolId: school.id });
      return school;
    }),
  );
}

/** Returns false if the school has exactly these ids already. */
async function replaceExternalIds(tx: Tx, schoolId: string, ids: ExternalIdInput[]): Promise<boolean> {
  const present = new Map((await tx.externalId.findMany({ where: { schoolId } })).map(({ system, value }) => [system, value]));
  if (present.size === ids.length && ids.every(({ system, value }) => present.get(system) === value)) return false;
  await tx.externalId.deleteMany({ where: { schoolId } });
  await tx.externalId.createMany({ data: ids.map((id) => ({ schoolId, ...id })) });
  return true;
}

/** What was given, checked; a field that must not be empty stays when it is null. */
function fields(input: SchoolInput) {
  const must = (path: 'name' | 'fullName', most: number) => {
    const value = input[path];
    return value === undefined || value === null ? {} : { [path]: normalizeLine(path, value, most) };
  };
  const may = (path: 'address' | 'district' | 'region', most: number) => {
    const value = normalizeOptionalLine(path, input[path], most);
    return value === undefined ? {} : { [path]: value };
  };
  return {
    ...must('name', 100),
    ...must('fullName', 300),
    ...may('address', 300),
    ...may('district', 100),
    ...may('region', 100),
    ...(typeof input.timeZone === 'string' ? { timeZone: zone(input.timeZone) } : {}),
  } as { name?: string; fullName?: string; address?: string | null; district?: string | null; region?: string | null; timeZone?: string };
}

function zone(name: string): string {
  try {
    // Offsets such as +03:00 are known to Intl too, but are no zones: they have no history.
    if (/^[A-Za-z]/.test(name)) return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone;
  } catch {
    // Intl refuses an unknown zone by throwing.
  }
  throw invalid('timeZone', ['Такого часового пояса нет. Пример: Europe/Moscow.', 'There is no such time zone. An example: Europe/Moscow.']);
}

function externalIds(given: readonly ExternalIdInput[] | null | undefined): ExternalIdInput[] | undefined {
  if (given === undefined || given === null) return undefined;
  const ids = given.map(({ system, value }) => ({
    system: normalizeLine('externalIds', system, 50),
    value: normalizeLine('externalIds', value, 100),
  }));
  if (ids.length > 20 || new Set(ids.map((id) => id.system)).size < ids.length)
    throw invalid('externalIds', ['Не больше 20 систем, каждая — один раз.', 'At most 20 systems, each of them once.']);
  return ids;
}

async function orTaken<T>(changed: Promise<T>): Promise<T> {
  try {
    return await changed;
  } catch (error) {
    if (!violates(error, 'external_id_system_value_key')) throw error;
    throw conflict(['Этот внешний идентификатор — у другой школы.', 'Another school has this external id.'], { path: ['externalIds'] });
  }
}

/** The schools that the actor may read. */
export async function schoolsOf(ctx: Context, args: PageArgs): Promise<Page<School>> {
  const order = paginate<School>(args, { tag: 'school', keys: [{ field: 'id', direction: 'asc', type: 'string' }] });
  const rows = await ctx.db.prisma.school.findMany({
    where: { AND: [readable(ctx.actor, 'School'), order.where] },
    orderBy: order.orderBy,
    take: order.limit,
  });
  return order.toConnection(rows);
}

/** What other systems call the school; every school of a level in one statement. */
export async function externalIdsOf(ctx: Context, school: School): Promise<ExternalIdInput[]> {
  const ids = await ctx.loaders.of<ExternalIdInput[]>('School.externalIds', school.id, async (schoolIds) => {
    const rows = await ctx.db.prisma.school.findMany({
      relationLoadStrategy: 'join',
      where: { id: { in: [...schoolIds] } },
      select: { id: true, externalIds: { orderBy: { system: 'asc' } } },
    });
    return new Map(rows.map((row) => [row.id, row.externalIds]));
  });
  return ids ?? [];
}

const captured = new WeakMap<Loaders, Promise<ReadonlyMap<string, bigint>>>();

/**
 * Reads, once for a request, how far the logs of the schools that the actor may read have come. Called before anything
 * else is read, it makes `asOf` a cursor that misses nothing: a change whose event it leaves out may already show in
 * the answer, so that the subscription repeats it, but a change whose event it takes in had been committed before.
 */
export function captureHeads(ctx: Context): Promise<ReadonlyMap<string, bigint>> {
  let heads = captured.get(ctx.loaders);
  if (heads === undefined) {
    heads = ctx.db.prisma.eventHead
      .findMany({ where: { school: readable(ctx.actor, 'School') }, select: { schoolId: true, seq: true } })
      .then((rows) => new Map(rows.map((row) => [row.schoolId, row.seq])));
    captured.set(ctx.loaders, heads);
  }
  return heads;
}

/** The cursor to follow the school's log from, after what this request read of it. */
export async function asOf(ctx: Context, school: School): Promise<string> {
  const seq =
    (await captureHeads(ctx)).get(school.id) ??
    // A school that could not be read then was joined by this very request, which read nothing of it before.
    (await ctx.db.prisma.eventHead.findUniqueOrThrow({ where: { schoolId: school.id } })).seq;
  return encodeCursor({ schoolId: school.id, seq });
}
