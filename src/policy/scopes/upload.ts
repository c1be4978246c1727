import { defineScopes, inList, ofPerson } from '../scopes.ts';

export interface UploadFacts {
  schoolId: string;
  /** The service that made the upload; null for people. */
  clientId: string | null;
  createdById: string | null;
}

export const uploadScopes = defineScopes<UploadFacts>()({
  own: ofPerson({
    description: 'the uploads that the person made; those of a client, with scope `roster`',
    holds: ({ userId, clientId, scopes, schools }, facts) =>
      schools.includes(facts.schoolId) &&
      (clientId === null ? userId !== null && facts.createdById === userId : facts.clientId === clientId && scopes.includes('roster')),
    where: ({ userId, clientId, scopes, schools }) => ({
      schoolId: inList(schools),
      // The upload of a service does not match a person. `not: null` makes this result false. Without it, SQL would give
      // NULL for the filter and for its negation, and the negated filter would not match the upload either.
      ...(clientId === null
        ? { createdById: userId === null ? { in: [] } : { equals: userId, not: null } }
        : { clientId: scopes.includes('roster') ? { equals: clientId, not: null } : { in: [] } }),
    }),
  }),
});
