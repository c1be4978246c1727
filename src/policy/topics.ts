import { scopesByRole, type Actor } from './actor.ts';

/**
 * Topics: who may hear what. An event names the topics it is told on (src/events/catalog.ts); an actor hears a topic
 * by its standing now. `school:` is the administration's, `staff:` the teachers' too, `class:` the class
 * teacher's, the subject teachers' and the pupils' of a class, `chat:` its members', `user:` the person's own.
 */
export type Topic = `${'school' | 'staff' | 'class' | 'chat' | 'user'}:${string}`;

/** May the actor hear an event of this school that is told on these topics? Without a standing there, nothing is heard. */
export const canReceive = (actor: Actor, schoolId: string, topics: readonly string[]): boolean => recipientFilter(schoolId, topics)(actor);

/** As `hears`, for several who are asked: the topics are looked through once. */
export function recipientFilter(schoolId: string, topics: readonly string[]): (actor: Actor) => boolean {
  const told = topics.map((topic) => topic.split(':', 2) as [string, string]);
  const ofSchool = topics.includes(`school:${schoolId}`);
  return (actor) => {
    if (actor.kind === 'operator') return true;
    const stands = scopesByRole(actor);
    const at = (column: keyof typeof stands) => stands[column]?.schools.includes(schoolId) ?? false;
    if (actor.kind === 'service') return at('service') && actor.scopes.includes('events') && ofSchool;
    const administration = at('administrator') || at('leadership');
    const teacher = at('classTeacher') || at('subjectTeacher');
    if (actor.kind !== 'user' || !(administration || teacher || at('student'))) return false;
    return told.some(([kind, id]) => {
      if (kind === 'school') return administration && id === schoolId;
      if (kind === 'staff') return (administration || teacher) && id === schoolId;
      if (kind === 'class') return inClass(stands, id);
      if (kind === 'chat') return actor.chats.has(id);
      return kind === 'user' && id === actor.userId;
    });
  };
}

/** Who hears an event by what is theirs alone: by themselves or by their chats, as far as they stand in its school. */
export interface DirectRecipients {
  userIds: readonly string[];
  chatIds: readonly string[];
}

export function directRecipients(topics: readonly string[]): DirectRecipients {
  const of = (kind: string) => [...new Set(topics.filter((topic) => topic.startsWith(kind)).map((topic) => topic.slice(kind.length)))];
  return { userIds: of('user:'), chatIds: of('chat:') };
}

/** Whether the actor has a role in the school, without which nothing of it is heard. */
export const hasRoleIn = (actor: Actor, schoolId: string): boolean =>
  Object.values(scopesByRole(actor)).some(({ schools }) => schools.includes(schoolId));

function inClass(stands: ReturnType<typeof scopesByRole>, classId: string): boolean {
  return (['classTeacher', 'subjectTeacher', 'student'] as const).some((column) =>
    stands[column]?.classes.includes(classId),
  );
}
