import { defineScopes, ofPerson } from '../scopes.ts';

export interface SessionFacts {
  userId: string;
}

export const sessionScopes = defineScopes<SessionFacts>()({
  own: ofPerson({
    description: "the person's own sessions",
    holds: (role, facts) => facts.userId === role.userId,
    where: (role) => ({ userId: role.userId === null ? { in: [] } : role.userId }),
  }),
});
