import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Actor } from '../../src/policy/actor.ts';
import { canReceive, receivable } from '../../src/policy/topics.ts';

const id = fc.constantFrom('a', 'b');
const user = fc.record({
  kind: fc.constant('user' as const),
  userId: id,
  sessionId: fc.constant('session'),
  expiresAt: fc.constant(0),
  grants: fc.array(
    fc.record({ schoolId: id, role: fc.constantFrom('PLATFORM_ADMINISTRATOR', 'SCHOOL_ADMINISTRATION', 'TEACHER', 'STUDENT') } as const),
    { maxLength: 2 },
  ),
  assignments: fc.array(fc.record({ schoolId: id, classId: id, subjectId: fc.option(id) }), { maxLength: 2 }),
  enrolment: fc.option(fc.record({ schoolId: id, classId: id })),
  chats: fc.array(id, { maxLength: 2 }).map((ids) => new Map(ids.map((chatId) => [chatId, 'MEMBER' as const]))),
});
const service = fc.record({
  kind: fc.constant('service' as const),
  clientId: fc.constant('client'),
  schoolId: id,
  expiresAt: fc.constant(0),
  scopes: fc.subarray(['read', 'events', 'roster'] as const),
});
const actors: fc.Arbitrary<Actor> = fc.oneof(user, service, fc.constantFrom({ kind: 'anonymous' }, { kind: 'operator' } as const));
const topic = fc.tuple(fc.constantFrom('school', 'staff', 'class', 'chat', 'user'), id).map(([kind, of]) => `${kind}:${of}`);

describe('receivable', () => {
  it('selects the events that canReceive allows', () => {
    fc.assert(
      fc.property(actors, id, fc.array(topic, { minLength: 1, maxLength: 3 }), (actor, schoolId, topics) => {
        const { topics: condition } = receivable(actor, schoolId) as { topics?: { hasSome: string[] } };
        const isSelected = condition === undefined || topics.some((one) => condition.hasSome.includes(one));
        expect(isSelected).toBe(canReceive(actor, schoolId, topics));
      }),
      { numRuns: 5000 },
    );
  });
});
