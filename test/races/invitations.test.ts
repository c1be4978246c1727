import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSfera, type Sfera } from '../support/sfera.ts';

// Needs a PostgreSQL server: the embedded database runs one transaction at a time.
describe.runIf(process.env.TEST_DATABASE_URL)('the last seat of an invitation', () => {
  let app: Sfera;
  beforeAll(async () => {
    app = await openSfera();
  });
  afterAll(() => app.close());

  it('goes to one of 200 people who accept concurrently', async () => {
    const { school } = await app.build.school();
    const group = await app.build.class({ schoolId: school.id });
    const { invitation, code } = await app.build.invitation({ schoolId: school.id, role: 'STUDENT', classId: group.id, maxUses: 1 });
    const people = await Promise.all(Array.from({ length: 200 }, () => app.build.user()));
    // Signs everyone in before the race starts.
    await Promise.all(people.map((user) => app.as(user).viewer({})));
    const answers = await Promise.all(people.map((user) => app.as(user).acceptInvitation({ code })));
    const winners = answers.filter((answer) => answer.__typename === 'User');
    expect(winners).toHaveLength(1);
    for (const answer of answers) if (answer.__typename === 'Refusal') expect(answer).toMatchObject({ code: 'CONFLICT', path: ['code'] });
    expect(await app.db.prisma.invitation.findUnique({ where: { id: invitation.id } })).toMatchObject({ useCount: 1 });
    expect(await app.db.prisma.invitationUse.count({ where: { invitationId: invitation.id } })).toBe(1);
    expect(await app.db.prisma.enrolment.count({ where: { classId: group.id } })).toBe(1);
    expect(await app.db.prisma.roleGrant.count({ where: { schoolId: school.id, role: 'STUDENT' } })).toBe(1);
    expect((await app.events(school.id)).map((event) => event.type)).toEqual(['invitation.accepted', 'role.granted', 'student.enrolled']);
  });

  it('is used once by one person who accepts many times concurrently', async () => {
    const { school } = await app.build.school();
    const { invitation, code } = await app.build.invitation({ schoolId: school.id, maxUses: 50 });
    const person = await app.build.user();
    const answers = await Promise.all(Array.from({ length: 50 }, () => app.as(person).acceptInvitation({ code })));
    expect(new Set(answers.map((answer) => answer.__typename))).toEqual(new Set(['User']));
    expect(await app.db.prisma.invitation.findUnique({ where: { id: invitation.id } })).toMatchObject({ useCount: 1 });
    expect(await app.db.prisma.roleGrant.count({ where: { userId: person.id } })).toBe(1);
  });
});
