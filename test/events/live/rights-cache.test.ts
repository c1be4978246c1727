import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { UserActor } from '../../../src/policy/actor.ts';
import { restrictToSchool } from '../../../src/policy/recipients.ts';
import { loadActors } from '../../../src/auth/actors.ts';
import { RightsCache } from '../../../src/events/live/rights-cache.ts';
import { LogReader } from '../../../src/events/log-reader.ts';
import { createLogger } from '../../../src/logger.ts';
import { openSfera, type Sfera } from '../../support/sfera.ts';
import { until } from '../../support/until.ts';

/**
 * Cached rights stay valid until an event of the log invalidates them. Every change of rights records such an event.
 */

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
afterAll(() => app.close());

it('has the correct rights of everyone after each change, from the log alone', async () => {
  const { school, administrator } = await app.build.school();
  const schoolId = school.id;
  const [a, b] = [await app.build.class({ schoolId }), await app.build.class({ schoolId })];
  const subject = await app.build.subject({ schoolId });
  const teacher = await app.build.teacher({ schoolId });
  const leader = await app.build.user({ schoolId, role: 'SCHOOL_ADMINISTRATION' });
  const [pupil, past] = [await app.build.user({ schoolId, role: 'STUDENT' }), await app.build.user({ schoolId, role: 'STUDENT' })];
  const newcomer = await app.build.user();
  const people = [administrator, leader, teacher, pupil, past, newcomer];

  const log = createLogger('silent');
  // Without the timer, only events of the log cause a reload.
  vi.useFakeTimers({ toFake: ['setInterval'] });
  const rightsCache = new RightsCache(app.db, log);
  vi.useRealTimers();
  const logReader = new LogReader(app.db.pool, app.notifier, log, rightsCache);
  const leave = logReader.retain(schoolId);
  const listeners = await Promise.all(
    people.map(async (user) => {
      const credential = (await app.tokens.verifyAccessToken((await app.token(user)).token))!;
      const listener = rightsCache.subscribe({ schoolId, credential, checkAccess: () => null, onRevoked: () => undefined });
      let calls = 0;
      listener.onChange(() => (calls += 1));
      let last = listener.cached();
      /** Asserts that the callback has run if the cached rights have changed since the last check. */
      const checkCallback = (): void => {
        const cached = listener.cached();
        if (cached !== last) expect(calls, user.id).toBeGreaterThan(0);
        calls = 0;
        last = cached ?? last;
      };
      return { user, listener, checkCallback };
    }),
  );
  await until(() => expect(logReader.head(schoolId)).not.toBeNull());

  let changes = 0;
  const waitForLog = async (): Promise<void> => {
    const { head } = (await app.liveEvents.reader.bounds(schoolId))!;
    await until(() => expect(logReader.head(schoolId)).toBe(head));
    for (const { user, listener, checkCallback } of listeners) {
      checkCallback();
      const [fresh] = await loadActors(app.db, [listener.credential]);
      expect(await listener.resolve(), user.id).toEqual('kind' in fresh! ? restrictToSchool(schoolId, fresh as UserActor) : fresh);
      checkCallback();
    }
  };
  await waitForLog();
  const rights = async () =>
    JSON.stringify(await Promise.all(listeners.map(async ({ listener }) => listener.resolve())), (_key, value: unknown) =>
      value instanceof Map ? [...(value as Map<string, string>)] : value,
    );

  const ask = app.as(administrator);
  const id = (user: { id: string }) => app.id('User', user.id);
  const [classId, otherClassId] = [app.id('Class', a.id), app.id('Class', b.id)];
  const subjectId = app.id('Subject', subject.id);
  type Result = { __typename: string; id: string };
  const results: Record<string, Result> = {};
  const steps: [string, () => Promise<unknown>][] = [
    ['assignClassTeacher', () => ask.assignClassTeacher({ classId, userId: id(teacher) })],
    ['assignSubjectTeacher', () => ask.assignSubjectTeacher({ classId: otherClassId, userId: id(teacher), subjectId })],
    ['enrolStudent', () => ask.enrolStudent({ studentId: id(pupil), classId })],
    ['createChat', () => app.as(teacher).createChat({ schoolId: app.id('School', schoolId), kind: 'CLASS', classId, name: 'Класс' })],
    ['enrolStudent with its chat', () => ask.enrolStudent({ studentId: id(past), classId })],
    ['transferStudent', () => ask.transferStudent({ studentId: id(past), classId: otherClassId })],
    [
      'createChat of a circle',
      () => app.as(leader).createChat({ schoolId: app.id('School', schoolId), kind: 'EXTRACURRICULAR', name: 'Кружок' }),
    ],
    ['addChatMember', () => app.as(leader).addChatMember({ chatId: results['createChat of a circle']!.id, userId: id(teacher) })],
    ['promoteChatMember', () => app.as(leader).promoteChatMember({ chatId: results['createChat of a circle']!.id, userId: id(teacher) })],
    ['demoteChatMember', () => app.as(leader).demoteChatMember({ chatId: results['createChat of a circle']!.id, userId: id(teacher) })],
    ['removeChatMember', () => app.as(leader).removeChatMember({ chatId: results['createChat of a circle']!.id, userId: id(teacher) })],
    ['withdrawStudent', () => ask.withdrawStudent({ studentId: id(past) })],
    ['grantRole', () => ask.grantRole({ schoolId: app.id('School', schoolId), userId: id(teacher), role: 'SCHOOL_ADMINISTRATION' })],
    ['endRole', () => ask.endRole({ grantId: results.grantRole!.id })],
    [
      'acceptInvitation',
      async () => {
        const { code } = await app.build.invitation({ schoolId, role: 'TEACHER' });
        return app.as(newcomer).acceptInvitation({ code });
      },
    ],
    ['endClassTeacher', () => ask.endClassTeacher({ classId })],
    ['archiveClass', () => ask.archiveClass({ classId: otherClassId })],
    [
      'endSession',
      () =>
        app.as(leader).endSession({ sessionId: app.id('Session', (listeners[1]!.listener.credential as { sessionId: string }).sessionId) }),
    ],
    ['deactivateUser', () => ask.deactivateUser({ schoolId: app.id('School', schoolId), userId: id(newcomer) })],
  ];
  for (const [name, step] of steps) {
    const before = await rights();
    results[name] = (await step()) as Result;
    expect(results[name].__typename, `${name}: ${JSON.stringify(results[name])}`).not.toBe('Refusal');
    await waitForLog();
    // Guards against steps that change no rights.
    expect(await rights(), name).not.toBe(before);
    changes += 1;
  }
  expect(changes).toBe(steps.length);
  for (const { listener } of listeners) listener.close();
  leave();
  logReader.close();
  rightsCache.close();
});
