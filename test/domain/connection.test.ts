import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { paginateChildren } from '../../src/domain/connection.ts';
import type { Class } from '../../src/domain/entities.ts';
import { contextFor } from '../../src/http/request-context.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';

let app: Sfera;
beforeAll(async () => void (app = await openSfera()));
afterAll(() => app.close());

const order = { tag: 'class', keys: [{ field: 'id', direction: 'asc', type: 'string' }] } as const;

it('builds the query of a list once for all parents whose arguments have the same values', async () => {
  const schools = [(await app.build.school()).school, (await app.build.school()).school];
  for (const { id } of schools) for (let n = 0; n < 2; n += 1) await app.build.class({ schoolId: id });
  const ctx = contextFor(app, { kind: 'operator' }, { acceptLanguage: null, requestId: null, address: null });
  const filter = vi.fn(() => ({}));
  const lengths = async (first: number, tag = order.tag as string) => {
    const pages = schools.map(({ id }) =>
      paginateChildren<Class>(ctx, { model: 'School', id, relation: 'classes' }, { first }, { order: { ...order, tag }, filter }),
    );
    return (await Promise.all(pages)).map(({ edges }) => [...edges].length);
  };
  expect([await lengths(1), filter.mock.calls.length]).toEqual([[1, 1], 1]);
  expect([await lengths(2), filter.mock.calls.length]).toEqual([[2, 2], 2]);
  expect([await lengths(2), filter.mock.calls.length]).toEqual([[2, 2], 2]);
  expect([await lengths(2, 'another list'), filter.mock.calls.length]).toEqual([[2, 2], 3]);
});
