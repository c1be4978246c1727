import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { issuePersonalInvitations } from '../../src/domain/issue-personal-invitations.ts';
import { invitationSheetOf } from '../../src/domain/invitation-sheets.ts';
import { transaction } from '../../src/db/transaction.ts';
import { expectRefusal } from '../support/expect-refusal.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
afterAll(() => app.close());

async function world() {
  const { school, administrator } = await app.build.school();
  const group = await app.build.class({ schoolId: school.id });
  const subject = await app.build.subject({ schoolId: school.id });
  const people = {
    classTeacher: await app.build.teacher({ schoolId: school.id, classTeacherOf: group.id }),
    subjectTeacher: await app.build.teacher({ schoolId: school.id, teaches: [{ classId: group.id, subjectId: subject.id }] }),
    leader: await app.build.user({ schoolId: school.id, role: 'SCHOOL_ADMINISTRATION' }),
    joined: await app.build.student({ classId: group.id, surname: 'Яшина' }),
  };
  const invited = await app.build.invited({ schoolId: school.id, classId: group.id, surname: 'Абрамова', givenName: 'Анна' });
  const id = { school: app.id('School', school.id), class: app.id('Class', group.id), invited: app.id('User', invited.user.id) };
  return { school, administrator, group, people, invited, id, by: app.as(administrator) };
}

interface List {
  edges: { cursor: string; node: { status: string; link: string | null; user: { id: string; fullName: string } } }[];
  pageInfo: { hasNextPage: boolean };
}

describe('personalInvitations', () => {
  it('2.3 b — shows the class teacher and the administrator the pupils of the class with their links, in order', async () => {
    const { administrator, people, invited, id } = await world();
    for (const user of [administrator, people.classTeacher]) {
      const { edges } = (await app.as(user).personalInvitations({ classId: id.class })) as List;
      expect(edges.map(({ node }) => node)).toMatchObject([
        { status: 'ACTIVE', link: `${app.config.publicUrl}/join/${invited.code}`, user: { id: id.invited, fullName: 'Абрамова Анна' } },
        { status: 'JOINED', link: null },
      ]);
    }
    const by = app.as(people.classTeacher);
    const only = (joined: boolean) => by.personalInvitations({ classId: id.class, joined }) as Promise<List>;
    expect((await only(true)).edges).toMatchObject([{ node: { status: 'JOINED' } }]);
    const first = (await by.personalInvitations({ classId: id.class, first: 1 })) as List;
    expect(first).toMatchObject({ edges: [{ node: { status: 'ACTIVE' } }], pageInfo: { hasNextPage: true } });
    const next = await by.personalInvitations({ classId: id.class, first: 1, after: first.edges[0]!.cursor });
    expect(next).toMatchObject({ edges: [{ node: { status: 'JOINED' } }], pageInfo: { hasNextPage: false } });
  });

  it('is null for all others, as are the printable page and the links of single people', async () => {
    const { school, administrator, people, invited, id } = await world();
    const other = await world();
    const page = (user: { id: string }) => app.as(user).invitationsPage({ id: id.class });
    const own = (user: { id: string }) => app.as(user).personalInvitationOf({ id: id.invited });
    for (const user of [people.subjectTeacher, people.leader, people.joined, other.administrator, other.people.classTeacher]) {
      expect(await app.as(user).personalInvitations({ classId: id.class })).toBeNull();
      expect((await page(user)) as object | null).not.toMatchObject({ invitationsPage: expect.any(String) });
    }
    expect(await app.anonymous.personalInvitations({ classId: id.class })).toBeNull();
    expect(await (await app.asService(school.id)).personalInvitations({ classId: id.class })).toBeNull();
    expect(await page(people.classTeacher)).toEqual({ invitationsPage: expect.stringMatching(/\/classes\/[\da-f-]{36}\/invitations$/) });
    expect(await own(administrator)).toMatchObject({ personalInvitation: { status: 'ACTIVE' } });
    for (const user of [people.classTeacher, people.subjectTeacher, people.leader])
      expect(await own(user)).toEqual({ personalInvitation: null });
    // A personal invitation is not in the list of the school's invitations, and cannot be read by its global id.
    const query =
      'query ($school: ID!, $id: ID!) { node(id: $school) { ... on School { invitations { edges { node { id } } } } } link: node(id: $id) { id } }';
    const { data } = await app.as(administrator).send(query, { school: id.school, id: app.id('Invitation', invited.invitation.id) });
    expect(data).toEqual({ node: { invitations: { edges: [] } }, link: null });
  });

  it('follows a pupil into another class, and says when an invitation has expired', async () => {
    const { school, people, invited, id, by } = await world();
    const next = await app.build.class({ schoolId: school.id });
    await by.transferStudent({ studentId: id.invited, classId: app.id('Class', next.id) });
    const list = (classId: string, user: { id: string }) => app.as(user).personalInvitations({ classId }) as Promise<List>;
    expect((await list(id.class, people.classTeacher)).edges).toMatchObject([{ node: { status: 'JOINED' } }]);
    const nextTeacher = await app.build.teacher({ schoolId: school.id, classTeacherOf: next.id });
    expect((await list(app.id('Class', next.id), nextTeacher)).edges).toMatchObject([{ node: { status: 'ACTIVE' } }]);
    await app.db.prisma.invitation.update({ where: { id: invited.invitation.id }, data: { expiresAt: new Date() } });
    expect((await list(app.id('Class', next.id), nextTeacher)).edges).toMatchObject([{ node: { status: 'EXPIRED', link: null } }]);
  });
});

describe('reissuePersonalInvitation', () => {
  it('2.1 c — gives a new link, and the old one is answered like an unknown one', async () => {
    const { school, administrator, invited, id, by } = await world();
    const reissued = (await by.reissuePersonalInvitation({ userId: id.invited })) as {
      personalInvitation: { status: string; link: string };
    };
    expect(reissued.personalInvitation.status).toBe('ACTIVE');
    const code = reissued.personalInvitation.link.split('/').at(-1)!;
    expect(code).not.toBe(invited.code);
    expect(await app.events(school.id)).toMatchObject([
      { type: 'personalInvitation.reissued', actor: `user:${administrator.id}`, payload: { schoolId: school.id, userId: invited.user.id } },
    ]);
    expect(await app.anonymous.personalPreview({ code: invited.code })).toBeNull();
    expect(await app.anonymous.personalPreview({ code })).toMatchObject({ isPersonal: true });
    await expectRefusal(app, school.id, { code: 'NOT_FOUND', path: ['code'] }, () =>
      app.anonymous.acceptPersonalInvitation({ code: invited.code, signInName: 'старый.листок', password: 'длинный и свой' }),
    );
    expect(await app.db.prisma.invitation.count({ where: { userId: invited.user.id } })).toBe(1);
  });

  it('gives an invitation to somebody who lost theirs with the last role', async () => {
    const { school, invited, id, by } = await world();
    await by.deactivateUser({ userId: id.invited, schoolId: id.school });
    expect(await app.anonymous.personalPreview({ code: invited.code })).toBeNull();
    await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['userId'] }, () => by.reissuePersonalInvitation({ userId: id.invited }));
    await by.reactivateUser({ userId: id.invited, schoolId: id.school });
    await by.grantRole({ userId: id.invited, schoolId: id.school, role: 'STUDENT' });
    expect(await app.anonymous.personalPreview({ code: invited.code })).toBeNull();
    expect(await by.personalInvitationOf({ id: id.invited })).toEqual({ personalInvitation: { status: 'NONE', link: null } });
    expect(await by.reissuePersonalInvitation({ userId: id.invited })).toMatchObject({ personalInvitation: { status: 'ACTIVE' } });
  });

  it('is refused to another school where the person has a role, which does not see the link either', async () => {
    const { school, invited, id, by } = await world();
    const other = await world();
    await app.db.prisma.roleGrant.create({ data: { schoolId: other.school.id, userId: invited.user.id, role: 'STUDENT' } });
    await app.db.prisma.enrolment.updateMany({ where: { studentId: invited.user.id }, data: { endedAt: new Date() } });
    await app.db.prisma.enrolment.create({ data: { schoolId: other.school.id, classId: other.group.id, studentId: invited.user.id } });
    await expectRefusal(app, other.school.id, { code: 'CONFLICT', path: ['userId'] }, () =>
      other.by.reissuePersonalInvitation({ userId: id.invited }),
    );
    expect(await other.by.personalInvitationOf({ id: id.invited })).toEqual({ personalInvitation: { status: 'ACTIVE', link: null } });
    const links = ((await other.by.personalInvitations({ classId: other.id.class, joined: false })) as List).edges.map(({ node }) => node);
    expect(links.find(({ user }) => user.id === id.invited)).toMatchObject({ status: 'ACTIVE', link: null });
    const sheet = await invitationSheetOf(app.operator, other.group.id);
    expect([sheet.slips.length, sheet.namesWithoutLink]).toEqual([1, ['Абрамова Анна']]);
    expect(await by.personalInvitationOf({ id: id.invited })).toMatchObject({
      personalInvitation: { link: `${app.config.publicUrl}/join/${invited.code}` },
    });
    expect(await by.reissuePersonalInvitation({ userId: id.invited })).toMatchObject({ personalInvitation: { status: 'ACTIVE' } });
    expect((await app.events(school.id)).map(({ type }) => type)).toEqual(['personalInvitation.reissued']);
  });

  it('is refused for a person who has joined, and to everyone but administrators', async () => {
    const { school, people, id, by } = await world();
    await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['userId'] }, () =>
      by.reissuePersonalInvitation({ userId: app.id('User', people.joined.id) }),
    );
    for (const user of [people.classTeacher, people.leader])
      await expectRefusal(app, school.id, { code: 'FORBIDDEN', clause: '2.1 c' }, () =>
        app.as(user).reissuePersonalInvitation({ userId: id.invited }),
      );
  });
});

describe('issuePersonalInvitations', () => {
  it('issues none to a person who has a role in another school', async () => {
    const { school, invited } = await world();
    const { school: other } = await world();
    const userId = invited.user.id;
    await app.db.prisma.invitation.deleteMany({ where: { userId } });
    await app.db.prisma.roleGrant.create({ data: { schoolId: other.id, userId, role: 'TEACHER' } });
    for (const schoolId of [school.id, other.id])
      expect(await transaction(app.db, (tx) => issuePersonalInvitations(app.operator, tx, { schoolId, userIds: [userId] }))).toEqual([]);
    await app.db.prisma.roleGrant.updateMany({ where: { userId, schoolId: other.id }, data: { endedAt: new Date() } });
    expect(
      await transaction(app.db, (tx) => issuePersonalInvitations(app.operator, tx, { schoolId: school.id, userIds: [userId] })),
    ).toEqual([userId]);
  });

  it('issues many in one statement: to people with a role who cannot sign in, and at most one to each', async () => {
    const { school, people, invited } = await world();
    const pupils = await Promise.all(Array.from({ length: 20 }, () => app.build.invited({ schoolId: school.id })));
    await app.db.prisma.invitation.deleteMany({ where: { userId: { in: pupils.map(({ user }) => user.id) } } });
    const stranger = await app.build.user();
    await app.db.prisma.user.update({ where: { id: stranger.id }, data: { joinedAt: null } });
    const userIds = [...pupils.map(({ user }) => user.id), people.joined.id, invited.user.id, stranger.id];
    const sent = vi.spyOn(pg.Client.prototype, 'query');
    const issued = await transaction(app.db, (tx) => issuePersonalInvitations(app.operator, tx, { schoolId: school.id, userIds }));
    const inserts = sent.mock.calls.filter(([query]) => JSON.stringify(query).includes('insert into invitation'));
    sent.mockRestore();
    expect(inserts).toHaveLength(1);
    expect(issued.sort()).toEqual(pupils.map(({ user }) => user.id).sort());
    const again = await transaction(app.db, (tx) => issuePersonalInvitations(app.operator, tx, { schoolId: school.id, userIds }));
    expect(again).toEqual([]);
  });

  it('leaves at most one open invitation to a person, by a constraint', async () => {
    const { school, invited } = await world();
    await expect(app.build.invitation({ schoolId: school.id, userId: invited.user.id })).rejects.toThrow();
    await app.db.prisma.invitation.update({ where: { id: invited.invitation.id }, data: { revokedAt: new Date() } });
    await app.build.invitation({ schoolId: school.id, userId: invited.user.id });
  });
});
