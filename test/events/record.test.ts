import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Database } from '../../src/db/client.ts';
import { transaction } from '../../src/db/transaction.ts';
import { attribute, record } from '../../src/events/record.ts';
import { openTestDatabase } from '../support/database.ts';

let db: Database;
beforeAll(async () => {
  db = await openTestDatabase();
});
afterAll(() => db.close());

it('rolls back a change in a school without a counter, and sends no notification', async () => {
  const schoolId = randomUUID();
  let woken = 0;
  const changing = transaction(db, async (tx) => {
    attribute(tx, { actor: { kind: 'operator' }, causation: null, notify: () => (woken += 1) });
    await tx.prisma.school.create({ data: { id: schoolId, name: 'Школа', fullName: 'Школа' } });
    record(tx, 'school.updated', { schoolId });
  });
  await expect(changing).rejects.toMatchObject({ code: '23502' });
  expect([await db.prisma.school.count({ where: { id: schoolId } }), woken]).toEqual([0, 0]);
});
