import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { serviceScopes, type Actor, type Role } from '../../src/policy/actor.ts';
import { loadActors } from '../../src/auth/actors.ts';
import type { Credential } from '../../src/auth/tokens.ts';
import type { Database } from '../../src/db/client.ts';

/**
 * fast-check arbitraries of whole platforms: schools, classes, people with several roles, chats, links, services. A
 * number is an index, modulo the length of its list.
 */

const index = fc.nat({ max: 11 });
/** True one time in four. */
const oneTimeInFour = fc.nat({ max: 3 }).map((n) => n === 0);
const nonEmptyArray = <T>(of: fc.Arbitrary<T>, maxLength: number) => fc.array(of, { minLength: 1, maxLength });

export const worlds = fc.record({
  schools: fc.integer({ min: 2, max: 3 }),
  people: fc.integer({ min: 2, max: 6 }),
  classes: nonEmptyArray(fc.record({ school: index, archived: oneTimeInFour }), 5),
  subjects: nonEmptyArray(index, 4),
  grants: nonEmptyArray(
    fc.record({
      person: index,
      school: index,
      role: fc.constantFrom('PLATFORM_ADMINISTRATOR', 'SCHOOL_ADMINISTRATION', 'TEACHER', 'TEACHER', 'STUDENT', 'STUDENT'),
      ended: oneTimeInFour,
    } as const),
    8,
  ),
  assignments: fc.array(
    fc.record({ person: index, class: index, subject: fc.option(index, { freq: 1 }), ended: oneTimeInFour, hired: fc.boolean() }),
    { maxLength: 10 },
  ),
  enrolments: fc.array(fc.record({ person: index, class: index, ended: fc.boolean(), admitted: fc.boolean() }), { maxLength: 8 }),
  chats: fc.array(
    fc.record({
      kind: fc.constantFrom('SCHOOL', 'STAFF', 'CLASS', 'SUBJECT', 'EXTRACURRICULAR'),
      school: index,
      class: index,
      subject: index,
    } as const),
    { maxLength: 10 },
  ),
  members: fc.array(fc.record({ person: index, chat: index, role: fc.constantFrom('OWNER', 'MODERATOR', 'MEMBER') } as const), {
    maxLength: 12,
  }),
  invitations: fc.array(fc.record({ school: index, class: fc.option(index, { freq: 1 }), holder: fc.option(index, { freq: 1 }) }), {
    maxLength: 8,
  }),
  services: fc.array(fc.record({ school: index, scopes: fc.subarray([...serviceScopes]) }), { maxLength: 3 }),
});

type World = typeof worlds extends fc.Arbitrary<infer W> ? W : never;

const day = (n: number) => new Date(Date.UTC(2026, 0, 1 + n));
const until = (ended: boolean, n: number) => (ended ? day(n) : null);

/** Drops rows that a unique constraint would refuse: of two rows with the same key, the second. */
function withoutConflicts<T>(rows: T[], clash: (row: T) => string | null): T[] {
  const seen = new Set<string>();
  return rows.filter((row) => {
    const key = clash(row);
    if (key === null) return true;
    return seen.has(key) ? false : Boolean(seen.add(key));
  });
}

/**
 * Replaces all rows of the database by those of a world; returns an actor for each session and service, the anonymous
 * actor and the operator.
 */
export async function insertWorld(db: Database, world: World): Promise<Actor[]> {
  await db.pool.query('truncate school, app_user, event, oauth_client, session cascade');
  const ids = (n: number) => Array.from({ length: n }, () => randomUUID());
  const at = <T>(list: readonly T[], n: number): T => list[n % list.length]!;
  const schools = ids(world.schools);
  const people = ids(world.people);
  const years = schools.map((schoolId) => ({ id: randomUUID(), schoolId, startsOn: day(0), endsOn: day(300) }));
  const classes = world.classes.map(({ school, archived }, n) => {
    const year = at(years, school);
    return {
      id: randomUUID(),
      schoolId: year.schoolId,
      schoolYearId: year.id,
      grade: 5,
      letter: `Т${n}`,
      sortKey: `${n}`,
      archivedAt: until(archived, 9),
    };
  });
  const subjects = world.subjects.map((school, n) => ({ id: randomUUID(), schoolId: at(schools, school), name: `${n}`, sortKey: `${n}` }));
  const granted = (role: Role, person: number, schoolId: string, endedAt: Date | null) => ({
    id: randomUUID(),
    userId: at(people, person),
    schoolId,
    role,
    startedAt: day(0),
    endedAt,
  });
  const grants = [
    ...world.grants.map(({ person, school, role, ended }, n) => granted(role, person, at(schools, school), until(ended, n))),
    ...world.assignments.flatMap(({ person, class: of, hired }) =>
      hired ? [granted('TEACHER', person, at(classes, of).schoolId, null)] : [],
    ),
    ...world.enrolments.flatMap(({ person, class: of, admitted }) =>
      admitted ? [granted('STUDENT', person, at(classes, of).schoolId, null)] : [],
    ),
  ];
  const assignments = world.assignments.flatMap(({ person, class: classAt, subject, ended }, n) => {
    const { id: classId, schoolId } = at(classes, classAt);
    const taught = subjects.filter((one) => one.schoolId === schoolId);
    const subjectId = subject === null || taught.length === 0 ? null : at(taught, subject).id;
    const kind = subjectId === null ? ('CLASS_TEACHER' as const) : ('SUBJECT_TEACHER' as const);
    return [
      { id: randomUUID(), schoolId, classId, userId: at(people, person), kind, subjectId, startedAt: day(0), endedAt: until(ended, n) },
    ];
  });
  const enrolments = world.enrolments.map(({ person, class: classAt, ended }, n) => {
    const { id: classId, schoolId } = at(classes, classAt);
    // Ended enrolments follow one another; the current one is the latest.
    return {
      id: randomUUID(),
      schoolId,
      classId,
      studentId: at(people, person),
      startedAt: day(ended ? n : 100),
      endedAt: until(ended, n + 1),
    };
  });
  const chats = world.chats.map(({ kind, school, class: classAt, subject }) => {
    const of = at(classes, classAt);
    const taught = subjects.filter((one) => one.schoolId === of.schoolId);
    const id = randomUUID();
    if (kind === 'CLASS' || (kind === 'SUBJECT' && taught.length === 0))
      return { id, name: 'Чат', kind: 'CLASS' as const, schoolId: of.schoolId, classId: of.id, subjectId: null };
    if (kind === 'SUBJECT') return { id, name: 'Чат', kind, schoolId: of.schoolId, classId: of.id, subjectId: at(taught, subject).id };
    return { id, name: 'Чат', kind, schoolId: at(schools, school), classId: null, subjectId: null };
  });
  const members =
    chats.length === 0
      ? []
      : world.members.map(({ person, chat, role }) => {
          const { id: chatId, schoolId } = at(chats, chat);
          return { id: randomUUID(), chatId, schoolId, userId: at(people, person), role, reason: 'PERSON' as const };
        });
  const invitations = world.invitations.map(({ school, class: classAt, holder }) => {
    const of = classAt === null ? null : at(classes, classAt);
    return {
      id: randomUUID(),
      schoolId: of?.schoolId ?? at(schools, school),
      classId: of?.id ?? null,
      role: of ? ('STUDENT' as const) : ('TEACHER' as const),
      holderId: holder === null ? null : at(people, holder),
      maxUses: 1,
      expiresAt: day(999),
      nonce: Buffer.alloc(32),
      codeHash: Buffer.from(randomUUID()),
    };
  });
  const sessions = people.map((userId) => ({ id: randomUUID(), userId, clientId: 'tests', expiresAt: new Date(Date.now() + 86_400_000) }));
  const services = world.services.map(({ school, scopes }) => ({
    id: randomUUID(),
    name: 'Проба',
    schoolId: at(schools, school),
    scopes,
    secretHash: Buffer.alloc(32),
    redirectUris: [],
  }));

  const { prisma } = db;
  await prisma.school.createMany({ data: schools.map((id) => ({ id, name: 'Школа', fullName: 'Школа' })) });
  await prisma.user.createMany({ data: people.map((id, n) => ({ id, surname: 'Ц', givenName: `${n}`, searchText: '', sortKey: `${n}` })) });
  await prisma.schoolYear.createMany({ data: years });
  await prisma.class.createMany({ data: classes });
  await prisma.subject.createMany({ data: subjects });
  await prisma.roleGrant.createMany({
    data: withoutConflicts(grants, (row) => (row.endedAt ? null : `${row.userId}${row.schoolId}${row.role}`)),
  });
  await prisma.assignment.createMany({
    data: withoutConflicts(assignments, (row) =>
      row.endedAt ? null : `${row.classId}${row.subjectId}${row.subjectId === null ? '' : row.userId}`,
    ),
  });
  await prisma.enrolment.createMany({ data: withoutConflicts(enrolments, (row) => (row.endedAt ? null : row.studentId)) });
  await prisma.chat.createMany({ data: chats });
  await prisma.chatMember.createMany({ data: withoutConflicts(members, (row) => `${row.chatId}${row.userId}`) });
  await prisma.invitation.createMany({ data: invitations });
  await prisma.session.createMany({ data: sessions });
  await prisma.oauthClient.createMany({ data: services });
  await prisma.event.createMany({
    data: schools.map((schoolId) => ({
      schoolId,
      seq: 1n,
      type: 'school.created',
      topics: [],
      payload: { schoolId },
      actor: 'operator',
      at: day(0),
    })),
  });

  const expiresAt = Math.floor(Date.now() / 1000) + 600;
  const credentials: Credential[] = [
    ...sessions.map(({ id, userId }) => ({ kind: 'user', userId, sessionId: id, clientId: 'tests', expiresAt }) as const),
    ...services.map(({ id }) => ({ kind: 'service', clientId: id, scopes: serviceScopes, expiresAt }) as const),
  ];
  const actors = (await loadActors(db, credentials)).map((loaded) => {
    if ('ended' in loaded) throw new Error(`a credential does not count: ${loaded.ended}`);
    return loaded;
  });
  return [...actors, { kind: 'anonymous' }, { kind: 'operator' }];
}
