import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { paginate } from '../../../src/domain/connection.ts';
import type { PageArgs } from '../../../src/domain/entities.ts';
import type { Order } from '../../../src/reader/keyset.ts';
import { Refusal } from '../../../src/errors.ts';

describe('page', () => {
  it('supports sequence numbers beyond 2^53', () => {
    const order: Order = { tag: 'event', keys: [{ field: 'seq', direction: 'desc', type: 'bigint' }] };
    const seq = 2n ** 53n + 1n;
    const [edge] = paginate({ first: 1 }, order).toConnection([{ seq }]).edges;
    expect(paginate({ after: edge?.cursor ?? '' }, order).where).toEqual({ AND: [{ seq: { lt: seq } }] });
  });
});

describe('page refuses', () => {
  const order: Order = {
    tag: 'count,key',
    keys: [
      { field: 'count', direction: 'asc', type: 'number' },
      { field: 'key', direction: 'asc', type: 'string' },
    ],
  };
  const refusal = (args: PageArgs, of: Order = order): Refusal | undefined => {
    try {
      paginate(args, of);
    } catch (error) {
      if (error instanceof Refusal) return error;
      throw error;
    }
    return undefined;
  };
  const cursor = (...parts: unknown[]): string => Buffer.from(JSON.stringify(parts)).toString('base64url');

  it.each([
    [{ first: 0 }, 'first'],
    [{ first: 101 }, 'first'],
    [{ last: -1 }, 'last'],
    [{ first: 1.5 }, 'first'],
    [{ first: 1, last: 1 }, 'last'],
  ])('a wrong size %j', (args, field) => expect(refusal(args)).toMatchObject({ code: 'INVALID', at: [field] }));

  it('no cursor of its own list', () => {
    expect(refusal({ after: cursor(order.tag, 1, 'a') })).toBeUndefined();
  });

  it('a cursor of another list, and invalid cursors', () => {
    const { tag } = order;
    const good = cursor(tag, 1, 'a');
    const wrong = [
      '',
      ' ',
      'x',
      `${good} `,
      `${good}=`,
      cursor(),
      cursor(tag),
      cursor('other', 1, 'a'),
      cursor(tag, 1, 'a', 2),
      cursor(tag, '1', 'a'),
      cursor(tag, 1.5, 'a'),
      cursor(tag, 2 ** 31, 'a'),
      cursor(tag, 1, 'a\0'),
      cursor(tag, 1, '\ud800'),
      cursor(tag, 1, null),
      cursor(tag, { gt: 0 }, 'a'),
    ];
    for (const after of wrong) expect(refusal({ after }), after).toMatchObject({ code: 'INVALID', at: ['after'] });
    for (const before of wrong) expect(refusal({ before }), before).toMatchObject({ code: 'INVALID', at: ['before'] });
  });

  it('a position that the database cannot parse', () => {
    const by = (field: string, type: 'string' | 'date' | 'bigint'): Order => ({ tag: 't', keys: [{ field, direction: 'asc', type }] });
    for (const value of ['x', randomUUID().slice(1), `${randomUUID()}\n`])
      expect(refusal({ after: cursor('t', value) }, by('id', 'string'))).toBeDefined();
    for (const value of [
      'now',
      5,
      '2026-02-40T00:00:00.000Z',
      '2026-02-30T00:00:00.000Z',
      '2026-01-01T24:00:00.000Z',
      '0000-01-01T00:00:00.000Z',
      '2026-01-01T00:00:00.000Z\n',
    ])
      expect(refusal({ after: cursor('t', value) }, by('at', 'date'))).toBeDefined();
    for (const value of ['1e3', 1, '9'.repeat(30), '']) expect(refusal({ after: cursor('t', value) }, by('seq', 'bigint'))).toBeDefined();
    expect(refusal({ after: cursor('t', randomUUID()) }, by('id', 'string'))).toBeUndefined();
    for (const value of ['0001-01-01T00:00:00.000Z', '2024-02-29T00:00:00.000Z', '9999-12-31T23:59:59.999Z'])
      expect(refusal({ after: cursor('t', value) }, by('at', 'date'))).toBeUndefined();
  });

  it('any made-up cursor, without an internal error', () => {
    const refused = (after: string): void => {
      expect(refusal({ after })?.code).toBe('INVALID');
    };
    fc.assert(fc.property(fc.string({ unit: 'binary' }), refused));
    fc.assert(fc.property(fc.json(), (json) => refused(Buffer.from(json).toString('base64url'))));
  });
});
