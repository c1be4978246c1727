import type { User } from '../../src/db/generated/client.ts';
import type { Actor } from '../../src/policy/actor.ts';
import { loadActors } from '../../src/auth/actors.ts';
import type { BaseSchool } from './base-school.ts';
import { person, type Person } from './client.ts';
import type { Sfera } from './sfera.ts';

/** The kinds of callers that the tests try every permission with. */

export const personas = [
  'administrator',
  'leader',
  'classTeacher',
  'subjectTeacher',
  'teacher',
  'pupil',
  'former',
  'service',
  'reader',
  'nobody',
] as const;
export type PersonaName = (typeof personas)[number];

export interface SignedInPersona {
  name: PersonaName;
  person: Person;
  actor: Actor;
  user: User | null;
  sessionId: string | null;
}

/** Signs in the persona of this school. */
export async function signedInAs(app: Sfera, school: Pick<BaseSchool, 'schoolId' | 'people'>, name: PersonaName): Promise<SignedInPersona> {
  if (name === 'nobody') return { name, person: app.anonymous, actor: { kind: 'anonymous' }, user: null, sessionId: null };
  if (name === 'service' || name === 'reader') {
    const service = await app.asService(school.schoolId, name === 'reader' ? ['read'] : ['read', 'events', 'roster']);
    return { name, person: service, actor: await actorOf(app, service.token), user: null, sessionId: null };
  }
  const user = school.people[name];
  const { token, sessionId } = await app.token(user, 3600);
  return { name, person: person(app.url, token), actor: await actorOf(app, token), user, sessionId };
}

async function actorOf(app: Sfera, token: string): Promise<Actor> {
  const credential = await app.tokens.verifyAccessToken(token);
  const [actor] = await loadActors(app.db, [credential!]);
  return actor as Actor;
}
