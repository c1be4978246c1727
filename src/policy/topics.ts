import { standing, type Actor } from './actor.ts';

/**
 * Topics: who may hear what. An event names the topics it is told on (src/events/catalog.ts); an actor hears a topic
 * by its standing now. `school:` is the administration's, `staff:` the teachers' too, `class:` the class
 * teacher's, the subject teachers' and the pupils' of a class, `chat:` its members', `user:` the person's own.
 */
export type Topic = `${'school' | 'staff' | 'class' | 'chat' | 'user'}:${string}`;

/** May the actor hear an event of this school that is told on these topics? Without a standing there, nothing is heard. */
export function hears(actor: Actor, schoolId: string, topics: readonly string[]): boolean {
  if (actor.kind === 'operator') return true;
  const stands = standing(actor);
  const at = (column: keyof typeof stands) => stands[column]?.schools.includes(schoolId) ?? false;
  const administration = at('administrator') || at('leadership');
  const teacher = at('classTeacher') || at('subjectTeacher');
  if (actor.kind === 'service')
    return at('service') && actor.scopes.includes('events') && topics.includes(`school:${schoolId}`);
  if (actor.kind !== 'user' || !(administration || teacher || at('student'))) return false;
  return topics.some((topic) => {
    const [kind, id] = topic.split(':', 2) as [string, string];
    if (kind === 'school') return administration && id === schoolId;
    if (kind === 'staff') return (administration || teacher) && id === schoolId;
    if (kind === 'class') return inClass(stands, id);
    if (kind === 'chat') return actor.chats.has(id);
    return kind === 'user' && id === actor.userId;
  });
}

function inClass(stands: ReturnType<typeof standing>, classId: string): boolean {
  return (['classTeacher', 'subjectTeacher', 'student'] as const).some((column) =>
    stands[column]?.classes.includes(classId),
  );
}
