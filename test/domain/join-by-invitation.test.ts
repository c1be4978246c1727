import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSfera, type Sfera } from '../support/sfera.ts';

/** Results of accepting an invitation, by the state of the signed-in person and of the link. */

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
afterAll(() => app.close());

async function world() {
  const { school, administrator } = await app.build.school();
  const group = await app.build.class({ schoolId: school.id, grade: 5, letter: 'А' });
  const other = await app.build.class({ schoolId: school.id, grade: 7, letter: 'Ю' });
  const pupils = await app.build.invitation({ schoolId: school.id, role: 'STUDENT', classId: group.id, maxUses: 5 });
  const staff = await app.build.invitation({ schoolId: school.id, role: 'TEACHER', maxUses: 5 });
  const person = await app.build.user();
  return { school, administrator, group, other, pupils, staff, person, by: app.as(administrator) };
}
type World = Awaited<ReturnType<typeof world>>;
type Link = 'pupils' | 'staff';

const accept = (w: World, link: Link) =>
  app.as(w.person).acceptInvitation({ code: w[link].code }) as Promise<{
    __typename: string;
    code?: string;
    message?: string;
    clause?: string;
  }>;
const accepted = (link: Link) => async (w: World) => expect(await accept(w, link)).toMatchObject({ __typename: 'User' });
const grantRole = (w: World, role: 'TEACHER' | 'STUDENT' | 'SCHOOL_ADMINISTRATION' | 'PLATFORM_ADMINISTRATOR') =>
  app.db.prisma.roleGrant.create({ data: { schoolId: w.school.id, userId: w.person.id, role } });
const enrolIn = (w: World, of: { id: string }) =>
  app.db.prisma.enrolment.create({ data: { schoolId: w.school.id, classId: of.id, studentId: w.person.id } });
const student = { studentId: (w: World) => app.id('User', w.person.id) };
const withdraw = (w: World) => w.by.withdrawStudent({ studentId: student.studentId(w) });
const endRole = async (w: World) => {
  const { id } = await app.db.prisma.roleGrant.findFirstOrThrow({ where: { userId: w.person.id, endedAt: null } });
  return w.by.endRole({ grantId: app.id('RoleGrant', id) });
};
const transfer = (w: World) => w.by.transferStudent({ studentId: student.studentId(w), classId: app.id('Class', w.other.id) });
const revoke = (link: Link) => (w: World) => w.by.revokeInvitation({ invitationId: app.id('Invitation', w[link].invitation.id) });
const rotate = (link: Link) => (w: World) => w.by.rotateInvitation({ invitationId: app.id('Invitation', w[link].invitation.id) });
const change = (link: Link, data: object) => (w: World) => app.db.prisma.invitation.update({ where: { id: w[link].invitation.id }, data });
const archive = (w: World) => w.by.archiveClass({ classId: app.id('Class', w.group.id) });
const steps =
  (...all: ((w: World) => Promise<unknown>)[]) =>
  async (w: World) => {
    for (const step of all) await step(w);
  };

const joins = 'joins, using a seat';
const holds = 'has it already, using none';
/** Returns the expected refusal. `says` is a part of its Russian message. */
const refused = (code: string, says: string) => ({ code, says });

const table: [
  link: Link,
  state: string,
  before: (w: World) => Promise<unknown>,
  outcome: typeof joins | typeof holds | ReturnType<typeof refused>,
][] = [
  ['pupils', 'nobody of the school', async () => {}, joins],
  ['pupils', 'joined by it', accepted('pupils'), holds],
  ['pupils', 'joined by it, and it was used up', steps(accepted('pupils'), change('pupils', { maxUses: 1 })), holds],
  ['pupils', 'joined by it, and it was stopped', steps(accepted('pupils'), revoke('pupils')), holds],
  ['pupils', 'joined by it, and it expired', steps(accepted('pupils'), change('pupils', { expiresAt: new Date(0) })), holds],
  [
    'pupils',
    'enrolled by the administrator',
    steps(
      (w) => grantRole(w, 'STUDENT'),
      (w) => enrolIn(w, w.group),
    ),
    holds,
  ],
  ['pupils', 'a pupil without a class', (w) => grantRole(w, 'STUDENT'), joins],
  [
    'pupils',
    'a pupil of another class',
    steps(
      (w) => grantRole(w, 'STUDENT'),
      (w) => enrolIn(w, w.other),
    ),
    refused('CONFLICT', '7Ю'),
  ],
  ['pupils', 'withdrawn after joining by it', steps(accepted('pupils'), withdraw), refused('CONFLICT', 'новую ссылку')],
  ['pupils', 'no longer a pupil after joining by it', steps(accepted('pupils'), endRole), refused('CONFLICT', 'новую ссылку')],
  ['pupils', 'transferred after joining by it', steps(accepted('pupils'), transfer), refused('CONFLICT', '7Ю')],
  ['pupils', 'withdrawn, and it was stopped', steps(accepted('pupils'), withdraw, revoke('pupils')), refused('CONFLICT', 'отозвана')],
  [
    'pupils',
    'withdrawn, and it expired',
    steps(accepted('pupils'), withdraw, change('pupils', { expiresAt: new Date(0) })),
    refused('CONFLICT', 'истёк'),
  ],
  ['pupils', 'withdrawn, and the class was archived', steps(accepted('pupils'), withdraw, archive), refused('CONFLICT', 'отозвана')],
  [
    'pupils',
    'withdrawn, and enrolled again',
    steps(accepted('pupils'), withdraw, (w) =>
      w.by.enrolStudent({ studentId: student.studentId(w), classId: app.id('Class', w.group.id) }),
    ),
    holds,
  ],
  [
    'pupils',
    'withdrawn after the administrator enrolled them',
    steps(
      (w) => grantRole(w, 'STUDENT'),
      (w) => enrolIn(w, w.group),
      withdraw,
    ),
    joins,
  ],
  ['pupils', 'a teacher', (w) => grantRole(w, 'TEACHER'), refused('CONFLICT', 'и учеником, и сотрудником')],
  ['pupils', 'the administrator', (w) => grantRole(w, 'PLATFORM_ADMINISTRATOR'), refused('CONFLICT', 'и учеником, и сотрудником')],
  [
    'pupils',
    'a pupil, with a used-up link',
    steps((w) => grantRole(w, 'STUDENT'), change('pupils', { useCount: 5 })),
    refused('CONFLICT', 'Все места'),
  ],
  ['pupils', 'anybody, with the code of before', rotate('pupils'), refused('NOT_FOUND', '')],
  ['staff', 'nobody of the school', async () => {}, joins],
  ['staff', 'joined by it', accepted('staff'), holds],
  ['staff', 'a teacher by another link', (w) => grantRole(w, 'TEACHER'), holds],
  ['staff', 'a teacher, and it was stopped', steps((w) => grantRole(w, 'TEACHER'), revoke('staff')), holds],
  ['staff', 'no longer a teacher after joining by it', steps(accepted('staff'), endRole), refused('CONFLICT', 'новую ссылку')],
  ['staff', 'no longer a teacher, and it was stopped', steps(accepted('staff'), endRole, revoke('staff')), refused('CONFLICT', 'отозвана')],
  [
    'staff',
    'no longer a teacher, and it was used up',
    steps(accepted('staff'), endRole, change('staff', { useCount: 5 })),
    refused('CONFLICT', 'новую ссылку'),
  ],
  ['staff', 'a former teacher who did not use it', steps((w) => grantRole(w, 'TEACHER'), endRole), joins],
  ['staff', 'the administrator', (w) => grantRole(w, 'PLATFORM_ADMINISTRATOR'), joins],
  ['staff', 'the head', (w) => grantRole(w, 'SCHOOL_ADMINISTRATION'), joins],
  [
    'staff',
    'a pupil',
    steps(
      (w) => grantRole(w, 'STUDENT'),
      (w) => enrolIn(w, w.group),
    ),
    refused('CONFLICT', 'и учеником, и сотрудником'),
  ],
];

describe.each(table)('the link of %s, accepted by somebody who is %s', (link, _state, before, outcome) => {
  it(typeof outcome === 'string' ? outcome : `is refused: ${outcome.code} ${outcome.says}`, async () => {
    const w = await world();
    await before(w);
    const seats = async () => (await app.db.prisma.invitation.findUniqueOrThrow({ where: { id: w[link].invitation.id } })).useCount;
    const [used, events] = [await seats(), (await app.events(w.school.id)).length];
    const answer = await accept(w, link);
    expect((await seats()) - used).toBe(outcome === joins ? 1 : 0);
    if (outcome !== joins) expect(await app.events(w.school.id)).toHaveLength(events);
    if (typeof outcome === 'object') {
      expect(answer).toMatchObject({
        __typename: 'Refusal',
        code: outcome.code,
        path: ['code'],
        message: expect.stringContaining(outcome.says),
      });
      return;
    }
    // After a success the person has the role and, by a link for pupils, the enrolment.
    expect(answer).toMatchObject({ __typename: 'User', id: app.id('User', w.person.id) });
    const current = { schoolId: w.school.id, endedAt: null };
    expect(await app.db.prisma.roleGrant.count({ where: { ...current, userId: w.person.id, role: w[link].invitation.role } })).toBe(1);
    if (link === 'pupils')
      expect(await app.db.prisma.enrolment.count({ where: { ...current, studentId: w.person.id, classId: w.group.id } })).toBe(1);
  });
});

describe('a link', () => {
  it('does not let a deactivated person in', async () => {
    const w = await world();
    await accepted('staff')(w);
    await w.by.deactivateUser({ schoolId: app.id('School', w.school.id), userId: app.id('User', w.person.id) });
    await expect(accept(w, 'staff')).rejects.toMatchObject({ codes: ['UNAUTHENTICATED'] });
    expect(await app.db.prisma.roleGrant.count({ where: { userId: w.person.id, endedAt: null } })).toBe(0);
  });
});
