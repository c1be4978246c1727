import { randomUUID } from 'node:crypto';
import { inspect } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Database } from '../../src/db/client.ts';
import type { Prisma } from '../../src/db/generated/client.ts';
import { transaction } from '../../src/db/transaction.ts';
import { openTestDatabase } from '../support/database.ts';

/**
 * Prisma's client returns the same values inside a transaction as outside. Inside, src/db/transaction-adapter.ts converts
 * the values; outside, @prisma/adapter-pg does.
 */

let db: Database;
beforeAll(async () => {
  db = await openTestDatabase();
});
afterAll(() => db.close());

type Client = Prisma.TransactionClient;

const bytes = (...values: number[]) => new Uint8Array(values);
const at = new Date('2026-09-01T07:08:09.123Z');

/**
 * Creates rows with columns of many types, such as JSON, bytes, bigint, arrays and dates. Returns the rows as the
 * client returns them.
 */
async function createRows(client: Client, schoolId: string) {
  const schools = { schoolId };
  const school = await client.school.create({
    data: { id: schoolId, name: 'Школа «Ёж»', fullName: `'"\\ 学校 🦔`, externalIds: { create: { system: 'номер', value: schoolId } } },
    include: { externalIds: true },
  });
  const year = await client.schoolYear.create({ data: { ...schools, startsOn: new Date('2026-09-01'), endsOn: new Date('2027-08-31') } });
  const created = await client.class.create({ data: { ...schools, schoolYearId: year.id, grade: 7, letter: 'А', sortKey: '07А' } });
  const invitation = await client.invitation.create({
    data: { ...schools, role: 'TEACHER', nonce: bytes(0, 127, 255), codeHash: bytes(...Buffer.from(schoolId)), maxUses: 3, expiresAt: at },
  });
  const oauthClient = await client.oauthClient.create({
    data: { id: schoolId, name: '', scopes: ['read', 'a"b,{c}', ''], redirectUris: [] },
  });
  const payload = { text: 'a\\"b', list: [1, null, 1.5], nested: { at: at.toISOString() } };
  const stored = await client.oidcPayload.create({ data: { model: 'Grant', idHash: schoolId, payload, consumedAt: at } });
  const head = await client.eventHead.create({ data: { ...schools, seq: 9_007_199_254_740_993n, oldest: -1n } });
  return { school, year, created, invitation, oauthClient, stored, head };
}

/**
 * Reads the rows of the school in each way that converts values: as columns, as JSON (for relations) and in aggregates.
 */
async function readRows(client: Client, schoolId: string) {
  const where = { schoolId };
  return {
    school: await client.school.findUniqueOrThrow({
      where: { id: schoolId },
      include: { years: { include: { classes: true } }, invitations: true, head: true, externalIds: true },
    }),
    years: await client.schoolYear.findMany({ where: { startsOn: { in: [new Date('2026-09-01'), new Date('2026-09-02')] }, schoolId } }),
    expiring: await client.invitation.findMany({
      where: { ...where, expiresAt: { gte: at, lte: at }, codeHash: bytes(...Buffer.from(schoolId)) },
    }),
    stored: await client.oidcPayload.findMany({ where: { idHash: schoolId, payload: { path: ['text'], equals: 'a\\"b' } } }),
    clients: await client.oauthClient.findMany({ where: { id: schoolId, scopes: { has: 'a"b,{c}' } } }),
    head: await client.eventHead.findUnique({ where: { ...where, seq: { gt: 9_007_199_254_740_992n } } }),
    groups: await client.invitation.groupBy({ by: ['role'], where, _count: true, _max: { expiresAt: true } }),
    raw: await client.$queryRaw`select ${schoolId}::uuid as id, ${at}::timestamptz as at, ${7}::int as int, ${8n}::bigint as bigint, ${true} as bool`,
  };
}

const inside = <T>(run: (client: Client) => Promise<T>): Promise<T> => transaction(db, (tx) => run(tx.prisma));

/** Replaces ids and the present time by fixed texts, because they differ between two schools. */
const normalise = (value: unknown, schoolId: string): unknown => {
  if (value === schoolId) return 'id of the school';
  if (typeof value === 'string' && /^[0-9a-f-]{36}$/.test(value)) return 'an id';
  if (value instanceof Date) return Math.abs(value.getTime() - Date.now()) < 60_000 ? 'now' : value;
  if (value instanceof Uint8Array)
    return { type: value.constructor.name, bytes: Buffer.from(value).toString() === schoolId ? 'id' : [...value] };
  if (Array.isArray(value)) return value.map((item) => normalise(item, schoolId));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, normalise(item, schoolId)]));
};

it('returns rows that it creates as Prisma does outside of transactions', async () => {
  const [one, other] = [randomUUID(), randomUUID()];
  const created = await inside((client) => createRows(client, one));
  expect(normalise(created, one)).toEqual(normalise(await createRows(db.prisma, other), other));
  expect(created.invitation.nonce).toEqual(bytes(0, 127, 255));
});

it('finds rows as Prisma does outside of transactions', async () => {
  const schoolId = randomUUID();
  await inside((client) => createRows(client, schoolId));
  const found = await inside((client) => readRows(client, schoolId));
  expect(found).toEqual(await readRows(db.prisma, schoolId));
  for (const [name, rows] of Object.entries(found)) expect(rows, name).not.toEqual([]);
});

it.each<[string, (client: Client, schoolId: string) => Promise<unknown>, string | undefined]>([
  ['a second row with a unique id', (client, id) => client.school.create({ data: { id, name: '', fullName: '' } }), 'P2002'],
  ['a reference to a missing row', (client) => client.subject.create({ data: { schoolId: randomUUID(), name: '', sortKey: '' } }), 'P2003'],
  ['a missing value', (client, id) => client.$executeRaw`insert into school (id, name) values (${randomUUID()}::uuid, ${id})`, 'P2010'],
  ['a failed conversion', (client) => client.$queryRaw`select 'x'::int`, 'P2010'],
  ['a missing row', (client) => client.school.findUniqueOrThrow({ where: { id: randomUUID() } }), 'P2025'],
])('reports %s as Prisma does outside of transactions', async (_case, run, code) => {
  const schoolId = randomUUID();
  await db.prisma.school.create({ data: { id: schoolId, name: '', fullName: '' } });
  const errorOf = (failing: Promise<unknown>) =>
    failing.then(
      () => undefined,
      (error: Error & { code?: string }) => ({ name: error.name, code: error.code }),
    );
  const error = await errorOf(inside((client) => run(client, schoolId)));
  expect(error).toEqual(await errorOf(run(db.prisma, schoolId)));
  expect(error).toMatchObject({ code });
});

it("keeps PostgreSQL's detail, which quotes values of a row, out of its errors", async () => {
  const statement = `do $$ begin raise check_violation using message = 'violated', detail = 'Failing row contains (secret).'; end $$`;
  const error: unknown = await inside((client) => client.$executeRawUnsafe(statement)).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(inspect(error, { depth: 10 })).toContain('violated');
  expect(inspect(error, { depth: 10 })).not.toContain('secret');
});

it('refuses a type that it does not convert', async () => {
  await expect(inside((client) => client.$queryRaw`select point(1, 2)`)).rejects.toMatchObject({ code: 'P2010' });
});
