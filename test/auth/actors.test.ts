import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { loadActors, loadPerson } from '../../src/auth/actors.ts';
import type { UserActor } from '../../src/policy/actor.ts';
import type { Credential } from '../../src/auth/tokens.ts';
import { openAuthServer, type AuthServer } from '../support/auth-server.ts';
import { until } from '../support/until.ts';

let server: AuthServer;
beforeAll(async () => void (server = await openAuthServer()));
afterAll(() => server.close());

const soon = () => Math.floor(Date.now() / 1000) + 60;

async function session(userId: string, more: object = {}): Promise<Credential & { kind: 'user' }> {
  const { id } = await server.db.prisma.session.create({
    data: { userId, clientId: 'tests', expiresAt: new Date(Date.now() + 60_000), ...more },
  });
  return { kind: 'user', userId, sessionId: id, clientId: 'tests', expiresAt: soon() };
}

describe('loadActors', () => {
  it('loads the current rights of a person, without ended ones', async () => {
    const { build, db } = server;
    const { school } = await build.school();
    const [own, archived, left] = [
      await build.class({ schoolId: school.id }),
      await build.class({ schoolId: school.id, archivedAt: new Date() }),
      await build.class({ schoolId: school.id }),
    ];
    const subject = await build.subject({ schoolId: school.id });
    const teacher = await build.teacher({
      schoolId: school.id,
      classTeacherOf: own.id,
      teaches: [
        { classId: own.id, subjectId: subject.id },
        { classId: archived.id, subjectId: subject.id },
      ],
    });
    const ended = { startedAt: new Date(Date.now() - 60_000), endedAt: new Date(Date.now() - 1000) };
    await db.prisma.assignment.create({
      data: { schoolId: school.id, classId: left.id, userId: teacher.id, kind: 'SUBJECT_TEACHER', subjectId: subject.id, ...ended },
    });
    await db.prisma.roleGrant.create({ data: { schoolId: school.id, userId: teacher.id, role: 'SCHOOL_ADMINISTRATION', ...ended } });
    const chat = await build.chat({ schoolId: school.id, kind: 'CLASS', classId: own.id });
    await db.prisma.chatMember.upsert({
      where: { chatId_userId: { chatId: chat.id, userId: teacher.id } },
      update: { role: 'MODERATOR' },
      create: { schoolId: school.id, chatId: chat.id, userId: teacher.id, role: 'MODERATOR', reason: 'PERSON' },
    });
    const student = await build.student({ classId: own.id });
    const credentials = [await session(teacher.id), await session(student.id)];
    const [first, second] = await loadActors(db, credentials);
    expect(first).toEqual({
      kind: 'user',
      userId: teacher.id,
      sessionId: credentials[0]!.sessionId,
      expiresAt: credentials[0]!.expiresAt,
      grants: [{ schoolId: school.id, role: 'TEACHER' }],
      assignments: expect.toSatisfy((all: object[]) => all.length === 2) as object,
      enrolment: null,
      chats: new Map([[chat.id, 'MODERATOR']]),
    });
    expect((first as UserActor).assignments).toEqual(
      expect.arrayContaining([
        { schoolId: school.id, classId: own.id, subjectId: null },
        { schoolId: school.id, classId: own.id, subjectId: subject.id },
      ]),
    );
    expect(second).toMatchObject({ userId: student.id, enrolment: { schoolId: school.id, classId: own.id }, assignments: [] });
    expect(await loadPerson(db, teacher.id)).toMatchObject({ kind: 'user', grants: [{ role: 'TEACHER' }] });
  });

  it('returns the reason for each invalid credential, in order', async () => {
    const { build, db } = server;
    const [good, gone] = [await build.user(), await build.user()];
    const credential = await session(good.id);
    const deactivated = await session(gone.id);
    await db.prisma.user.update({ where: { id: gone.id }, data: { deactivatedAt: new Date() } });
    const { school } = await build.school();
    const service = await build.service({ schoolId: school.id, scopes: ['read'] });
    const ofService: Credential = { kind: 'service', clientId: service.id, expiresAt: soon(), scopes: ['read', 'roster'] };
    const all = await loadActors(db, [
      await session(good.id, { endedAt: new Date() }),
      await session(good.id, { expiresAt: new Date(Date.now() - 1000) }),
      { ...credential, userId: gone.id },
      { ...credential, sessionId: '00000000-0000-0000-0000-000000000000' },
      { ...credential, expiresAt: soon() - 61 },
      deactivated,
      credential,
      ofService,
      { ...ofService, clientId: 'nobody' },
    ]);
    const ended = { ended: 'SESSION_ENDED' };
    expect(all).toEqual([
      ended,
      ended,
      ended,
      ended,
      { ended: 'TOKEN_EXPIRED' },
      { ended: 'USER_DEACTIVATED' },
      expect.objectContaining({ kind: 'user', userId: good.id }),
      { kind: 'service', clientId: service.id, schoolId: school.id, expiresAt: ofService.expiresAt, scopes: ['read'] },
      ended,
    ]);
    expect(await loadPerson(db, gone.id)).toBeUndefined();
  });

  it('uses one statement for any number of credentials, and updates a session at most once in five minutes', async () => {
    const { build, db } = server;
    const user = await build.user();
    const old = new Date(Date.now() - 3_600_000);
    const credentials = await Promise.all([1, 2, 3].map(() => session(user.id, { lastSeenAt: old })));
    const read = vi.spyOn(db.reads, 'query');
    const written = vi.spyOn(pg.Client.prototype, 'query');
    const stamps = () =>
      written.mock.calls.filter(([query]) => /update session/.test((query as { text?: string }).text ?? String(query))).length;
    await loadActors(db, credentials);
    expect(read).toHaveBeenCalledTimes(1);
    await until(async () => {
      const seen = await db.prisma.session.findMany({ where: { userId: user.id } });
      expect(seen.every(({ lastSeenAt }) => Date.now() - lastSeenAt.getTime() < 60_000)).toBe(true);
    });
    await loadActors(db, credentials);
    expect(read).toHaveBeenCalledTimes(2);
    expect(stamps()).toBe(1);
    read.mockRestore();
    written.mockRestore();
    expect(await loadActors(db, [])).toEqual([]);
  });
});
