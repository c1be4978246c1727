import { violates, type Tx } from '../db/transaction.ts';
import { conflict, forbidden, invalid } from '../errors.ts';
import { encodeCursor } from '../events/cursor.ts';
import { record } from '../events/record.ts';
import { findFor, lock } from './access.ts';
import { paginate } from './connection.ts';
import { mutate, type Context } from './context.ts';
import { normalizeExternalIds, type ExternalId } from './external-ids.ts';
import type { Loaders } from './loaders.ts';
import { readable } from './resources.ts';
import { changesNothing, type Page, type PageArgs, type School } from './entities.ts';
import { followTimeZone } from './plans/schedule-plan.ts';
import { schoolYearOf } from './school-years.ts';
import { normalizeLine, normalizeOptionalLine } from './text.ts';

/** Creates and updates schools. The operator creates a school, and its administrators update the details. */

export interface SchoolInput {
  name?: string | null;
  fullName?: string | null;
  address?: string | null;
  district?: string | null;
  region?: string | null;
  timeZone?: string | null;
  externalIds?: readonly ExternalId[] | null;
}

/**
 * Creates a school, with its event log and its present school year.
 * @throws FORBIDDEN unless the operator asks (the GraphQL schema has no such mutation).
 */
export async function createSchool(ctx: Context, input: SchoolInput & { name: string }): Promise<School> {
  if (ctx.actor.kind !== 'operator') throw forbidden();
  const { name, fullName = name, ...rest } = fields(input);
  const ids = normalizeExternalIds(input.externalIds) ?? [];
  return withIdConflict(
    mutate(ctx, async (tx) => {
      const school = await tx.prisma.school.create({
        data: { ...rest, name: name!, fullName: fullName!, head: { create: {} }, externalIds: { create: ids } },
      });
      await schoolYearOf(tx, school.id, school.createdAt);
      record(tx, 'school.created', { schoolId: school.id });
      return school;
    }),
  );
}

/**
 * Updates the school's details. An omitted field keeps its value. `externalIds` replaces all former external ids. Does
 * nothing if nothing changes. Regulation 2.1 a.
 */
export async function updateSchool(ctx: Context, input: SchoolInput & { schoolId: string }): Promise<School> {
  const found = await findFor(ctx, 'School', input.schoolId, 'school.update');
  const data = fields(input);
  const ids = normalizeExternalIds(input.externalIds);
  return withIdConflict(
    mutate(ctx, async (tx) => {
      const current = await lock(tx, 'School', found.id);
      const replaced = ids !== undefined && (await replaceExternalIds(tx, found.id, ids));
      if (!replaced && changesNothing(current, data)) return current;
      // Sets `updatedAt`, because Prisma would leave out an update without columns when only the external ids change.
      const school = await tx.prisma.school.update({ where: { id: found.id }, data: { ...data, updatedAt: new Date() } });
      record(tx, 'school.updated', { schoolId: school.id });
      await followTimeZone(tx, school.id, { from: current.timeZone, to: school.timeZone });
      return school;
    }),
  );
}

/** Replaces the external ids of the school. Returns false if the school has exactly these ids already. */
async function replaceExternalIds(tx: Tx, schoolId: string, ids: readonly ExternalId[]): Promise<boolean> {
  const present = new Map((await tx.prisma.externalId.findMany({ where: { schoolId } })).map(({ system, value }) => [system, value]));
  if (present.size === ids.length && ids.every(({ system, value }) => present.get(system) === value)) return false;
  await tx.prisma.externalId.deleteMany({ where: { schoolId } });
  await tx.prisma.externalId.createMany({ data: ids.map((id) => ({ schoolId, ...id })) });
  return true;
}

/** Returns the checked fields of the input. For a required field, null keeps the value. */
function fields(input: SchoolInput) {
  const required = (path: 'name' | 'fullName', maxLength: number) => {
    const value = input[path];
    return value === undefined || value === null ? {} : { [path]: normalizeLine(path, value, maxLength) };
  };
  const optional = (path: 'address' | 'district' | 'region', maxLength: number) => {
    const value = normalizeOptionalLine(path, input[path], maxLength);
    return value === undefined ? {} : { [path]: value };
  };
  return {
    ...required('name', 100),
    ...required('fullName', 300),
    ...optional('address', 300),
    ...optional('district', 100),
    ...optional('region', 100),
    ...(typeof input.timeZone === 'string' ? { timeZone: checkTimeZone(input.timeZone) } : {}),
  } as { name?: string; fullName?: string; address?: string | null; district?: string | null; region?: string | null; timeZone?: string };
}

function checkTimeZone(name: string): string {
  try {
    // Refuses offsets such as +03:00, which Intl accepts too. An offset does not say when a region changed its clocks.
    if (/^[A-Za-z]/.test(name)) return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone;
  } catch {
    // Intl throws for an unknown zone.
  }
  throw invalid('timeZone', [
    'Неизвестный часовой пояс. Укажите, например, Europe/Moscow.',
    'The time zone is unknown. Give one such as Europe/Moscow.',
  ]);
}

async function withIdConflict<T>(changed: Promise<T>): Promise<T> {
  try {
    return await changed;
  } catch (error) {
    if (!violates(error, 'external_id_system_value_key')) throw error;
    throw conflict(['Этот внешний идентификатор уже у другой школы.', 'Another school already has this external id.'], {
      path: ['externalIds'],
    });
  }
}

export async function schoolsOf(ctx: Context, args: PageArgs): Promise<Page<School>> {
  const order = paginate<School>(args, { tag: 'school', keys: [{ field: 'id', direction: 'asc', type: 'string' }] });
  const filter = readable(ctx.actor, 'School');
  const rows = await ctx.db.prisma.school.findMany({ where: { AND: [filter, order.where] }, orderBy: order.orderBy, take: order.limit });
  const { edges, pageInfo } = order.toConnection(rows);
  return { edges, pageInfo, totalCount: () => ctx.db.prisma.school.count({ where: filter }) };
}

/** Returns the ids of the school in other systems; batched. */
export async function externalIdsOf(ctx: Context, school: School): Promise<ExternalId[]> {
  const ids = await ctx.loaders.of<ExternalId[]>('School.externalIds', school.id, async (schoolIds) => {
    const rows = await ctx.db.prisma.school.findMany({
      relationLoadStrategy: 'join',
      where: { id: { in: [...schoolIds] } },
      select: { id: true, externalIds: { orderBy: { system: 'asc' } } },
    });
    return new Map(rows.map((row) => [row.id, row.externalIds]));
  });
  return ids ?? [];
}

// eslint-disable-next-line no-restricted-syntax -- an entry ends with the loaders of its request.
const capturedHeads = new WeakMap<Loaders, Promise<ReadonlyMap<string, bigint>>>();

/**
 * Reads, once for a request, the newest sequence numbers of the schools that the actor may read. The cursor `asOf` of the
 * response contains such a number. The call must come before all other reads. Then the other reads see every change up to
 * `asOf`, so a subscription from `asOf` misses nothing. A later change may be in the response already; the subscription then
 * delivers this change again.
 */
export function captureHeads(ctx: Context): Promise<ReadonlyMap<string, bigint>> {
  let heads = capturedHeads.get(ctx.loaders);
  if (heads === undefined) {
    heads = ctx.db.prisma.eventHead
      .findMany({ where: { school: readable(ctx.actor, 'School') }, select: { schoolId: true, seq: true } })
      .then((rows) => new Map(rows.map((row) => [row.schoolId, row.seq])));
    capturedHeads.set(ctx.loaders, heads);
  }
  return heads;
}

/** Returns the cursor of the school's log at the start of this request, from which a subscription can continue. */
export async function asOf(ctx: Context, school: School): Promise<string> {
  const seq =
    (await captureHeads(ctx)).get(school.id) ??
    // The map lacks the school only if the actor joined it during this request. The request has read no row of the school so
    // far, so the newest sequence number is early enough.
    (await ctx.db.prisma.eventHead.findUniqueOrThrow({ where: { schoolId: school.id } })).seq;
  return encodeCursor({ schoolId: school.id, seq });
}
