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
      // For an upload of a service, SQL gives NULL both for `created_by_id = …` and for its negation. `not: null` makes
      // the filter false.
      ...(clientId === null
        ? { createdById: userId === null ? { in: [] } : { equals: userId, not: null } }
        : { clientId: scopes.includes('roster') ? { equals: clientId, not: null } : { in: [] } }),
    }),
  }),
});
