import { scopesByRole, type Actor } from './actor.ts';

/**
 * Topics of events. src/events/catalog.ts defines the topics that an event is published on. An actor receives a topic
 * by its current roles: `school:` the administration; `staff:` the administration and the teachers; `class:` the class
 * teacher, the subject teachers and the pupils of a class; `chat:` the members of the chat; `user:` the person.
 */
export type Topic = `${'school' | 'staff' | 'class' | 'chat' | 'user'}:${string}`;

/** Returns whether the actor may receive an event of this school. Without a role there, the actor receives nothing. */
export const canReceive = (actor: Actor, schoolId: string, topics: readonly string[]): boolean => recipientFilter(schoolId, topics)(actor);

/** Returns `canReceive` for many actors: parses the topics once. */
export function recipientFilter(schoolId: string, topics: readonly string[]): (actor: Actor) => boolean {
  const parsed = topics.map((topic) => topic.split(':', 2) as [string, string]);
  const hasSchoolTopic = topics.includes(`school:${schoolId}`);
  return (actor) => {
    if (actor.kind === 'operator') return true;
    const roles = scopesByRole(actor);
    const isIn = (column: keyof typeof roles) => roles[column]?.schools.includes(schoolId) ?? false;
    if (actor.kind === 'service') return isIn('service') && actor.scopes.includes('events') && hasSchoolTopic;
    const isAdministration = isIn('administrator') || isIn('leadership');
    const isTeacher = isIn('classTeacher') || isIn('subjectTeacher');
    if (actor.kind !== 'user' || !(isAdministration || isTeacher || isIn('student'))) return false;
    return parsed.some(([kind, id]) => {
      if (kind === 'school') return isAdministration && id === schoolId;
      if (kind === 'staff') return (isAdministration || isTeacher) && id === schoolId;
      if (kind === 'class') return isInClass(roles, id);
      if (kind === 'chat') return actor.chats.has(id);
      return kind === 'user' && id === actor.userId;
    });
  };
}

/** The people who receive an event in person or as members of a chat, if they have a role in its school. */
export interface DirectRecipients {
  userIds: readonly string[];
  chatIds: readonly string[];
}

export function directRecipients(topics: readonly string[]): DirectRecipients {
  const idsOf = (kind: string) => [...new Set(topics.filter((topic) => topic.startsWith(kind)).map((topic) => topic.slice(kind.length)))];
  return { userIds: idsOf('user:'), chatIds: idsOf('chat:') };
}

/** Returns whether the actor has a role in the school, without which it receives no event of it. */
export const hasRoleIn = (actor: Actor, schoolId: string): boolean =>
  Object.values(scopesByRole(actor)).some(({ schools }) => schools.includes(schoolId));

function isInClass(roles: ReturnType<typeof scopesByRole>, classId: string): boolean {
  return (['classTeacher', 'subjectTeacher', 'student'] as const).some((column) => roles[column]?.classes.includes(classId));
}
