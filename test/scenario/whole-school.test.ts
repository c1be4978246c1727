import { afterAll, beforeAll, expect, it, onTestFailed } from 'vitest';
import type { User } from '../../src/db/generated/client.ts';
import { chatsStream, enrolmentsStream, eventsStream } from '../http/live/streams.ts';
import { Browser } from '../support/auth-server.ts';
import { createRandom } from '../support/random.ts';
import { follower, type Follower } from '../support/follower.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';
import { count as pupilCount, pupils, type Pupil } from './pupils.ts';
import { decodeId } from '../support/decode-id.ts';

/**
 * A morning in September: 960 pupils join three schools, 16 at a time. They join by links that the administrator handed
 * to the class teachers. Meanwhile 50 dashboards are subscribed; ten of them are disconnected and reconnect.
 */

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
afterAll(() => app.close());

interface Class {
  id: string;
  chatId: string;
  teacher: User;
  link: string;
  pupils: Pupil[];
}

/**
 * A subscribed dashboard. With `class` it belongs to a person of that class, otherwise to the administration of the
 * school.
 */
interface Listener {
  user: User;
  class?: Class;
}

interface Dashboard extends Listener {
  schoolId: string;
  prefix: readonly string[];
  follower: Follower;
}

const streams = [
  { query: enrolmentsStream, prefix: ['student.'] },
  { query: chatsStream, prefix: ['chat.', 'chatMember.'] },
  { query: eventsStream, prefix: [''] },
] as const;

const placeOf = (cursor: string): bigint => BigInt(Buffer.from(cursor, 'base64url').toString().split(':')[1]!);

/** Returns the result of a mutation; fails on a refusal. */
function done<T extends { __typename: string }>(answer: T): Exclude<T, { __typename: 'Refusal' }> {
  expect(answer).not.toMatchObject({ __typename: 'Refusal' });
  return answer as Exclude<T, { __typename: 'Refusal' }>;
}

/**
 * Returns whether a dashboard should receive an event. Decides by rules of its own, so that an error in src is noticed. The
 * administration gets every event. A class teacher and a classmate get the events of pupils who join their class and its
 * chat.
 */
function isFor({ class: own, prefix }: Dashboard, { type, payload }: { type: string; payload: unknown }): boolean {
  const { classId, chatId } = payload as { classId?: string; chatId?: string };
  if (!prefix.some((start) => type.startsWith(start))) return false;
  if (own === undefined) return true;
  return (type === 'student.enrolled' && classId === own.id) || (type === 'chatMember.added' && chatId === own.chatId);
}

const count = (names: string[]) => names.reduce<Record<string, number>>((all, name) => ({ ...all, [name]: (all[name] ?? 0) + 1 }), {});

/** Calls `act` for each item, with at most `at` calls at a time. */
async function runConcurrently<T>(items: readonly T[], at: number, act: (item: T, n: number) => Promise<void>): Promise<void> {
  const rest = items.entries();
  await Promise.all(
    Array.from({ length: at }, async () => {
      for (const [n, item] of rest) await act(item, n);
    }),
  );
}

/**
 * Sets up a class as in the regulation. The administrator creates the class and hands its link to the class teacher.
 * The class teacher reads the link and creates the chat.
 */
async function setUpClass(schoolId: string, administrator: User, of: Pupil[], grade: number, letter: string): Promise<Class> {
  const school = app.id('School', schoolId);
  const made = done(await app.as(administrator).createClass({ schoolId: school, grade, letter }));
  const teacher = await app.build.teacher({ schoolId });
  done(await app.as(administrator).assignClassTeacher({ classId: made.id, userId: app.id('User', teacher.id) }));
  const invitation = done(
    await app.as(administrator).createInvitation({ schoolId: school, role: 'STUDENT', classId: made.id, maxUses: of.length }),
  );
  done(await app.as(administrator).handOverInvitation({ invitationId: invitation.id, userId: app.id('User', teacher.id) }));
  const held = await app.as(teacher).heldInvitations();
  const [edge] = held!.heldInvitations.edges;
  expect(edge!.node.class).toEqual({ id: made.id });
  const chat = done(await app.as(teacher).createChat({ schoolId: school, kind: 'CLASS', classId: made.id, name: `${grade}${letter}` }));
  return { id: decodeId(made.id).id, chatId: decodeId(chat.id).id, teacher, link: edge!.node.link!, pupils: of };
}

async function setUpSchool(of: Pupil[]): Promise<{ schoolId: string; classes: Class[]; listeners: Listener[] }> {
  const { school, administrator } = await app.build.school();
  const years = [...new Set(of.map(({ birthYear }) => birthYear))].sort((a, b) => b - a);
  const classes: Class[] = [];
  for (const [n, year] of years.entries())
    for (const [half, letter] of ['А', 'Б'].entries()) {
      const own = of.filter(({ birthYear }) => birthYear === year).filter((_, at) => at % 2 === half);
      // A class has pupils of one year of birth. There are more years of birth than grades, so the classes of the
      // oldest pupils get another letter.
      if (own.length > 0)
        classes.push(await setUpClass(school.id, administrator, own, (n % 11) + 1, letter + '′'.repeat(Math.floor(n / 11))));
    }
  const office = async (role: 'PLATFORM_ADMINISTRATOR' | 'SCHOOL_ADMINISTRATION') => ({
    user: await app.build.user({ schoolId: school.id, role }),
  });
  const listeners: Listener[] = [{ user: administrator }];
  for (let n = 0; n < 5; n += 1) listeners.push(await office('PLATFORM_ADMINISTRATOR'), await office('SCHOOL_ADMINISTRATION'));
  for (const own of classes.slice(0, 4)) listeners.push({ user: own.teacher, class: own });
  // Adds a pupil who is already in a class and receives events about classmates.
  const classmate = await app.build.student({ classId: classes[0]!.id });
  listeners.push({ user: classmate, class: classes[0]! });
  await app.db.prisma.chatMember.create({
    data: { schoolId: school.id, chatId: classes[0]!.chatId, userId: classmate.id, reason: 'RULE' },
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

it('960 pupils join three schools while 50 dashboards are subscribed', async () => {
  const random = createRandom();
  onTestFailed(() => void process.stderr.write(`SEED=${random.seed}\n`));
  const all = pupils();
  expect(all).toHaveLength(pupilCount);
  const schools = await Promise.all([0, 1, 2].map((n) => setUpSchool(all.filter((_, at) => at % 3 === n))));

  const dashboards: Dashboard[] = [];
  for (const [n, { schoolId, listeners }] of schools.entries())
    for (const [at, listener] of [...listeners, ...(n < 2 ? [listeners[0]!] : [])].entries()) {
      const { query, prefix } = streams[listener.class === undefined ? at % 3 : at % 2]!;
      const { token } = await app.token(listener.user, 3600);
      dashboards.push({
        ...listener,
        schoolId,
        prefix,
        follower: follower({ url: app.url, token, query, variables: { schoolId: app.id('School', schoolId) } }),
      });
    }
  expect(dashboards).toHaveLength(50);
  await Promise.all(dashboards.map(({ follower: { started } }) => started));
  const begun = new Map(
    await Promise.all(schools.map(async ({ schoolId }) => [schoolId, (await app.liveEvents.reader.bounds(schoolId))!.head] as const)),
  );

  const toCut = random.sample(dashboards, 10);
  const arrivals = random.sample(
    schools.flatMap(({ classes }) => classes.flatMap(({ link, pupils: own }) => own.map((pupil) => ({ link, pupil })))),
    pupilCount,
  );
  const cuts = new Map(toCut.map((dashboard, n) => [40 + n * 80 + random.integer(0, 60), dashboard]));
  await runConcurrently(arrivals, 16, async ({ link, pupil }, n) => {
    cuts.get(n)?.follower.disconnect();
    await join(link, pupil, n);
  });

  const logs = new Map(
    await Promise.all(
      schools.map(
        async ({ schoolId }) => [schoolId, (await app.events(schoolId)).filter(({ seq }) => seq > begun.get(schoolId)!)] as const,
      ),
    ),
  );
  for (const { schoolId, classes } of schools) {
    // The log contains each pupil once, and nothing else.
    const counts = count(logs.get(schoolId)!.map(({ type }) => type));
    const joined = classes.reduce((sum, { pupils: own }) => sum + own.length, 0);
    expect(counts).toEqual({
      'invitation.accepted': joined,
      'role.granted': joined,
      'student.enrolled': joined,
      'chatMember.added': joined,
    });
  }
  for (const dashboard of dashboards) {
    const expected = logs
      .get(dashboard.schoolId)!
      .filter((event) => isFor(dashboard, event))
      .map(({ seq }) => seq);
    await dashboard.follower.until((items) => items.length >= expected.length);
    expect(dashboard.follower.items.map(({ cursor }) => placeOf(cursor))).toEqual(expected);
  }
  for (const { follower: dashboard } of toCut) expect(dashboard.reconnects).toBeGreaterThanOrEqual(1);
  for (const { follower: dashboard } of dashboards) dashboard.close();

  for (const { classes } of schools)
    for (const { id, teacher, pupils: own } of classes) {
      const enrolled = (await app.db.prisma.enrolment.findMany({ where: { classId: id, endedAt: null } })).map(
        ({ studentId }) => studentId,
      );
      expect(enrolled).toHaveLength(own.length + (id === classes[0]!.id ? 1 : 0));
      const members = await app.db.prisma.chatMember.findMany({ where: { chat: { classId: id } } });
      expect(members.map(({ userId }) => userId).sort()).toEqual([...enrolled, teacher.id].sort());
    }
  const places = await app.db.prisma.enrolment.groupBy({ by: ['studentId'], _count: true });
  expect(places).toHaveLength(pupilCount + schools.length);
  expect(places.filter(({ _count }) => _count !== 1)).toEqual([]);
});
