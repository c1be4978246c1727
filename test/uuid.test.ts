import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { newId } from '../src/db/ids.ts';
import { isUuid } from '../src/uuid.ts';

it('takes ids as the database writes them', () => {
  expect([randomUUID(), newId(), id, '00000000-0000-0000-0000-000000000000'].map(isUuid)).toEqual([true, true, true, true]);
});

const id = '0190a3f4-5b6c-7d8e-9f01-23456789abcd';

it.each(['', '0190', id.toUpperCase(), `${id}\n`, ` ${id}`, `{${id}}`, id.replaceAll('-', '')])('takes no other form: %j', (text) => {
  expect(isUuid(text)).toBe(false);
});
