import { defineScopes, forService, inSchool } from '../scopes.ts';

export interface EventFacts {
  schoolId: string;
}

export const eventScopes = defineScopes<EventFacts>()({
  school: inSchool('the log of the school'),
  events: forService('events', "the log of the client's school"),
});
