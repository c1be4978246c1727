import { defineScopes, forService, inList, inSchool, ofPerson } from '../scopes.ts';

type ChatKind = 'SCHOOL' | 'STAFF' | 'CLASS' | 'SUBJECT' | 'EXTRACURRICULAR';

/** `chatId` is missing for a chat that is about to be created. A missing `kind` means any kind of chat. */
export interface ChatFacts {
  schoolId: string;
  chatId?: string;
  kind?: ChatKind;
  classId: string | null;
  subjectId: string | null;
}

const educationalKinds: readonly ChatKind[] = ['STAFF', 'CLASS', 'SUBJECT', 'EXTRACURRICULAR'];
const isOfKind = (kind: ChatKind | undefined, ...kinds: readonly ChatKind[]) => kind === undefined || kinds.includes(kind);

export const chatScopes = defineScopes<ChatFacts>()({
  school: inSchool('any chat of the school'),
  read: forService('read', "any chat of the client's school"),
  schoolWide: {
    description: 'chats of kind SCHOOL',
    // Checks `classId` too: a chat that is about to be created may have no kind yet, and a chat of a class is never
    // school-wide.
    holds: (role, facts) => role.schools.includes(facts.schoolId) && isOfKind(facts.kind, 'SCHOOL') && facts.classId === null,
    where: (role) => ({ schoolId: inList(role.schools), kind: 'SCHOOL' }),
  },
  educational: {
    description: 'chats of kinds STAFF, CLASS, SUBJECT and EXTRACURRICULAR',
    holds: (role, facts) => role.schools.includes(facts.schoolId) && isOfKind(facts.kind, ...educationalKinds),
    where: (role) => ({ schoolId: inList(role.schools), kind: inList(educationalKinds) }),
  },
  ofClass: {
    description: 'chats of kind CLASS in the classes of the class teacher',
    holds: (role, facts) => isOfKind(facts.kind, 'CLASS') && facts.classId !== null && role.classes.includes(facts.classId),
    where: (role) => ({ kind: 'CLASS', classId: inList(role.classes) }),
  },
  ofSubject: {
    description: 'chats of kind SUBJECT in the classes and subjects that the person teaches',
    holds: (role, facts) =>
      isOfKind(facts.kind, 'SUBJECT') &&
      role.taught.some(
        (pair) =>
          pair.classId === facts.classId && (pair.subjectId === facts.subjectId || (facts.kind === undefined && facts.subjectId === null)),
      ),
    where: (role) => ({
      kind: 'SUBJECT',
      // The first alternative matches no row. It keeps the OR from being empty.
      OR: [{ classId: { in: [] } }, ...role.taught.map(({ classId, subjectId }) => ({ classId, subjectId }))],
    }),
  },
  member: ofPerson({
    description: 'chats of which the person is a member',
    holds: (role, facts) => role.schools.includes(facts.schoolId) && facts.chatId !== undefined && role.chats.has(facts.chatId),
    where: (role) => ({ schoolId: inList(role.schools), members: { some: { userId: role.userId === null ? { in: [] } : role.userId } } }),
  }),
  moderated: ofPerson({
    description: 'chats of which the person is the owner or a moderator',
    holds: (role, facts) =>
      role.schools.includes(facts.schoolId) &&
      facts.chatId !== undefined &&
      ['OWNER', 'MODERATOR'].includes(role.chats.get(facts.chatId) ?? ''),
    where: (role) => ({
      schoolId: inList(role.schools),
      members: { some: { userId: role.userId === null ? { in: [] } : role.userId, role: { in: ['OWNER', 'MODERATOR'] } } },
    }),
  }),
});
