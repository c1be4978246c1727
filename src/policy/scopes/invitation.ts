import { defineScopes, inList, ofPerson } from '../scopes.ts';

export interface InvitationFacts {
  schoolId: string;
  classId: string | null;
  holderId: string | null;
  /** The person of a personal invitation, which has rights of its own; null for other links. */
  userId: string | null;
}

export const invitationScopes = defineScopes<InvitationFacts>()({
  school: {
    description: 'any invitation of the school except personal ones',
    holds: (role, facts) => facts.userId === null && role.schools.includes(facts.schoolId),
    where: (role) => ({ schoolId: inList(role.schools), userId: null }),
  },
  held: ofPerson({
    description: 'invitations that the person holds; a link for pupils only while the person is the class teacher of its class',
    holds: (role, facts) =>
      facts.holderId !== null &&
      facts.holderId === role.userId &&
      role.schools.includes(facts.schoolId) &&
      (facts.classId === null || role.leads.includes(facts.classId)),
    where: (role) => ({
      // Without `not: null`, a link without a holder would match neither this filter nor its negation.
      holderId: role.userId === null ? { in: [] } : { equals: role.userId, not: null },
      schoolId: inList(role.schools),
      OR: [{ classId: null }, { classId: inList(role.leads) }],
    }),
  }),
});
