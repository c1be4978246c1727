import { afterAll, beforeAll, expect, it, onTestFailed } from 'vitest';
import type { User } from '../../src/db/generated/client.ts';
import { hears } from '../../src/policy/topics.ts';
import { loadActors } from '../../src/auth/actors.ts';
import type { UserActor } from '../../src/policy/actor.ts';
import { chatsStream, enrolmentsStream, eventsStream } from '../live/streams.ts';
import { Browser } from '../support/auth-server.ts';
import { createChance } from '../support/chance.ts';
import { follower, type Follower } from '../support/follower.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';
import { count, pupils, type Pupil } from './pupils.ts';

/**
 * A morning in September: 960 pupils join three schools by links that went from the administrator to the class teacher,
 * 16 at a time, while 50 dashboards listen and ten of them are cut and come back.
 */

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
afterAll(() => app.close());

interface Class {
  id: string;
  schoolId: string;
  teacher: User;
  link: string;
  pupils: Pupil[];
}

interface Dashboard {
  user: User;
  schoolId: string;
  prefix: string[];
  follower: Follower;
}

const streams = [
  { query: enrolmentsStream, prefix: ['student.'] },
  { query: chatsStream, prefix: ['chat.', 'chatMember.'] },
  { query: eventsStream, prefix: [''] },
] as const;

const placeOf = (cursor: string): bigint => BigInt(Buffer.from(cursor, 'base64url').toString().split(':')[1]!);

/** What a mutation answered, which must not be a refusal. */
function done<T extends { __typename: string }>(answer: T): Exclude<T, { __typename: 'Refusal' }> {
  expect(answer).not.toMatchObject({ __typename: 'Refusal' });
  return answer as Exclude<T, { __typename: 'Refusal' }>;
}

/** Runs all of them, so many at a time. */
async function together<T>(items: readonly T[], at: number, act: (item: T, n: number) => Promise<void>): Promise<void> {
  const rest = items.entries();
  await Promise.all(Array.from({ length: at }, async () => { for (const [n, item] of rest) await act(item, n); }));
}

/** A class as the regulation has it: made by the administrator, its link handed to the class teacher, who reads it and makes the chat. */
async function setUpClass(schoolId: string, administrator: User, of: Pupil[], grade: number, letter: string): Promise<Class> {
  const school = app.id('School', schoolId);
  const made = done(await app.as(administrator).createClass({ schoolId: school, grade, letter }));
  const id = Buffer.from(made.id, 'base64').toString().split(':')[1]!;
  const teacher = await app.build.teacher({ schoolId });
  done(await app.as(administrator).assignClassTeacher({ classId: made.id, userId: app.id('User', teacher.id) }));
  const invitation = done(await app.as(administrator).createInvitation({ schoolId: school, role: 'STUDENT', classId: made.id, maxUses: of.length }));
  done(await app.as(administrator).handOverInvitation({ invitationId: invitation.id, userId: app.id('User', teacher.id) }));
  const held = await app.as(teacher).heldInvitations();
  const [edge] = held!.heldInvitations.edges;
  expect(edge!.node.class).toEqual({ id: made.id });
  done(await app.as(teacher).createChat({ schoolId: school, kind: 'CLASS', classId: made.id, name: `${grade}${letter}` }));
  return { id, schoolId, teacher, link: edge!.node.link!, pupils: of };
}

async function setUpSchool(of: Pupil[]): Promise<{ schoolId: string; classes: Class[]; listeners: { user: User; office: boolean }[] }> {
  const { school, administrator } = await app.build.school();
  const years = [...new Set(of.map(({ birthYear }) => birthYear))].sort((a, b) => b - a);
  const classes: Class[] = [];
  for (const [n, year] of years.entries())
    for (const [half, letter] of ['А', 'Б'].entries()) {
      const own = of.filter(({ birthYear }) => birthYear === year).filter((_, at) => at % 2 === half);
      // More years than grades: the elder ones get a letter of their own.
      if (own.length > 0) classes.push(await setUpClass(school.id, administrator, own, (n % 11) + 1, letter + '′'.repeat(Math.floor(n / 11))));
    }
  const office = async (role: 'PLATFORM_ADMINISTRATOR' | 'SCHOOL_ADMINISTRATION') => ({ user: await app.build.user({ schoolId: school.id, role }), office: true });
  const listeners = [{ user: administrator, office: true }];
  for (let n = 0; n < 5; n += 1) listeners.push(await office('PLATFORM_ADMINISTRATOR'), await office('SCHOOL_ADMINISTRATION'));
  for (const { teacher } of classes.slice(0, 4)) listeners.push({ user: teacher, office: false });
  // One who is in a class already, and hears of the classmates.
  listeners.push({ user: await app.build.student({ classId: classes[0]!.id }), office: false });
  await app.db.prisma.chatMember.createMany({
    data: (await app.db.prisma.chat.findMany({ where: { classId: classes[0]!.id } })).map(({ id }) => ({
      schoolId: school.id, chatId: id, userId: listeners.at(-1)!.user.id, reason: 'RULE' as const,
    })),
  });
  return { schoolId: school.id, classes, listeners };
}

async function join(link: string, { surname, givenName, patronymic }: Pupil, n: number): Promise<void> {
  const browser = new Browser(app.config.publicUrl);
  const form = await browser.open(link);
  const done = await browser.submit(form, { surname, givenName, patronymic, signInName: `pupil.${n}`, password: 'длинный и свой пароль' });
  expect(done.status).toBe(200);
  expect(done.url).toContain('/joined');
}

it('960 pupils join three schools while 50 dashboards listen', async () => {
  const chance = createChance();
  onTestFailed(() => void process.stderr.write(`SEED=${chance.seed}\n`));
  const all = pupils();
  expect(all).toHaveLength(count);
  const schools = await Promise.all([0, 1, 2].map((n) => setUpSchool(all.filter((_, at) => at % 3 === n))));

  const dashboards: Dashboard[] = [];
  for (const [n, { schoolId, listeners }] of schools.entries())
    for (const [at, { user, office }] of [...listeners, ...(n < 2 ? [listeners[0]!] : [])].entries()) {
      const { query, prefix } = streams[office ? at % 3 : at % 2]!;
      const { token } = await app.token(user, 3600);
      dashboards.push({ user, schoolId, prefix: [...prefix], follower: follower({ url: app.url, token, query, variables: { schoolId: app.id('School', schoolId) } }) });
    }
  expect(dashboards).toHaveLength(50);
  await Promise.all(dashboards.map(({ follower: { started } }) => started));
  const begun = new Map(await Promise.all(schools.map(async ({ schoolId }) => [schoolId, (await app.feed.tail.extent(schoolId))!.head] as const)));

  const toCut = chance.some(dashboards, 10);
  const arrivals = chance.some(schools.flatMap(({ classes }) => classes.flatMap(({ link, pupils: own }) => own.map((pupil) => ({ link, pupil })))), count);
  const cuts = new Map(toCut.map((dashboard, n) => [40 + n * 80 + chance.from(0, 60), dashboard]));
  await together(arrivals, 16, async ({ link, pupil }, n) => {
    cuts.get(n)?.follower.cut();
    await join(link, pupil, n);
  });

  for (const { user, schoolId, prefix, follower: dashboard } of dashboards) {
    const actor = (await loadActors(app.db, [(await app.tokens.verifyAccessToken((await app.token(user)).token))!]))[0] as UserActor;
    const expected = (await app.events(schoolId))
      .filter(({ seq, type, topics }) => seq > begun.get(schoolId)! && prefix.some((start) => type.startsWith(start)) && hears(actor, schoolId, topics))
      .map(({ seq }) => seq);
    expect(expected.length).toBeGreaterThan(0);
    await dashboard.until((told) => told.length >= expected.length);
    expect(dashboard.told.map(({ cursor }) => placeOf(cursor))).toEqual(expected);
  }
  for (const { follower: dashboard } of toCut) expect(dashboard.returns).toBeGreaterThanOrEqual(1);
  for (const { follower: dashboard } of dashboards) dashboard.close();

  for (const { classes } of schools)
    for (const { id, teacher, pupils: own } of classes) {
      const enrolled = (await app.db.prisma.enrolment.findMany({ where: { classId: id, endedAt: null } })).map(({ studentId }) => studentId);
      expect(enrolled).toHaveLength(own.length + (id === classes[0]!.id ? 1 : 0));
      const members = await app.db.prisma.chatMember.findMany({ where: { chat: { classId: id } } });
      expect(members.map(({ userId }) => userId).sort()).toEqual([...enrolled, teacher.id].sort());
    }
  const places = await app.db.prisma.enrolment.groupBy({ by: ['studentId'], _count: true });
  expect(places).toHaveLength(count + schools.length);
  expect(places.filter(({ _count }) => _count !== 1)).toEqual([]);
}, 300_000);
