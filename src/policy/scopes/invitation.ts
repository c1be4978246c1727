import { defineScopes, inList, ofPerson } from '../scopes.ts';

export interface InvitationFacts {
  schoolId: string;
  classId: string | null;
  holderId: string | null;
  /** The person whom a personal invitation is for; null for an invitation link. */
  userId: string | null;
}

export const invitationScopes = defineScopes<InvitationFacts>()({
  school: {
    description: 'any invitation of the school except personal ones',
    holds: (role, facts) => facts.userId === null && role.schools.includes(facts.schoolId),
    where: (role) => ({ schoolId: inList(role.schools), userId: null }),
  },
  held: ofPerson({
    description: 'invitations that the person holds; an invitation to a class only while the person is its class teacher',
    holds: (role, facts) =>
      facts.holderId !== null &&
      facts.holderId === role.userId &&
      role.schools.includes(facts.schoolId) &&
      (facts.classId === null || role.leads.includes(facts.classId)),
    where: (role) => ({
      // A link without a holder does not match. `not: null` makes the condition false for such a link. Without `not: null` the
      // condition would be NULL. Its negation would be NULL too, so the negated filter would not match the link either.
      holderId: role.userId === null ? { in: [] } : { equals: role.userId, not: null },
      schoolId: inList(role.schools),
      OR: [{ classId: null }, { classId: inList(role.leads) }],
    }),
  }),
});
