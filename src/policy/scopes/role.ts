import { defineScopes, forService, inSchool, ofPerson } from '../scopes.ts';

export interface RoleFacts {
  schoolId: string;
  userId: string;
}

export const roleScopes = defineScopes<RoleFacts>()({
  school: inSchool('any role in the school'),
  read: forService('read', "any role in the client's school"),
  own: ofPerson({
    description: "the person's own roles",
    holds: (role, facts) => facts.userId === role.userId,
    where: (role) => ({ userId: role.userId === null ? { in: [] } : role.userId }),
  }),
});
