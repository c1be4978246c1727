import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { User } from '../../src/db/generated/client.ts';
import { person, type Person } from '../support/client.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';
import { enrolmentsStream } from './streams.ts';

/** Rights lost while listening: nothing is told after the acknowledgement, the stream says why and closes within a second. */

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
  // The first stream of a process compiles what the later ones use.
  const { school, administrator } = await app.build.school();
  const first = await app.as(administrator).listen(enrolmentsStream, { schoolId: app.id('School', school.id) });
  await first.until(({ items }) => items.length > 0);
  first.close();
});
afterAll(() => app.close());

interface Case {
  reason: string;
  /** Whose stream it is, how it loses its right, and what happens afterwards that it must not hear. */
  prepare(): Promise<{ schoolId: string; listener: Person; lose(): Promise<unknown>; after(): Promise<unknown> }>;
}

async function setting() {
  const { school, administrator } = await app.build.school();
  const second = await app.build.user({ schoolId: school.id, role: 'PLATFORM_ADMINISTRATOR' });
  const [a, b] = [await app.build.class({ schoolId: school.id }), await app.build.class({ schoolId: school.id })];
  const newcomer = await app.build.user({ schoolId: school.id, role: 'STUDENT' });
  const after = () => app.as(administrator).enrolStudent({ studentId: app.id('User', newcomer.id), classId: app.id('Class', a.id) });
  return { school, schoolId: app.id('School', school.id), administrator, second, a, b, after };
}

async function signedIn(user: User, seconds?: number) {
  const { token, sessionId } = await app.token(user, seconds);
  return { listener: person(app.url, token), sessionId };
}

const cases: Record<string, Case> = {
  'a session that was ended': {
    reason: 'SESSION_ENDED',
    async prepare() {
      const { schoolId, second, after } = await setting();
      const { listener, sessionId } = await signedIn(second);
      return { schoolId, listener, after, lose: () => app.as(second).endSession({ sessionId: app.id('Session', sessionId) }) };
    },
  },
  'a role that ended': {
    reason: 'ROLE_ENDED',
    async prepare() {
      const { schoolId, school, administrator, second, after } = await setting();
      const grant = await app.db.prisma.roleGrant.findFirstOrThrow({ where: { userId: second.id, schoolId: school.id } });
      const { listener } = await signedIn(second);
      return { schoolId, listener, after, lose: () => app.as(administrator).endRole({ grantId: app.id('RoleGrant', grant.id) }) };
    },
  },
  'a pupil who was transferred': {
    reason: 'CLASS_LEFT',
    async prepare() {
      const { schoolId, administrator, a, b, after } = await setting();
      const pupil = await app.build.student({ classId: a.id });
      const { listener } = await signedIn(pupil);
      const lose = () => app.as(administrator).transferStudent({ studentId: app.id('User', pupil.id), classId: app.id('Class', b.id) });
      return { schoolId, listener, after, lose };
    },
  },
  'a user who was deactivated': {
    reason: 'USER_DEACTIVATED',
    async prepare() {
      const { schoolId, administrator, second, after } = await setting();
      const { listener } = await signedIn(second);
      return { schoolId, listener, after, lose: () => app.as(administrator).deactivateUser({ userId: app.id('User', second.id), schoolId }) };
    },
  },
  'a token that expired': {
    reason: 'TOKEN_EXPIRED',
    async prepare() {
      const { schoolId, second, after } = await setting();
      const { listener } = await signedIn(second, 2);
      return { schoolId, listener, after, lose: () => new Promise((resolve) => setTimeout(resolve, 2000)) };
    },
  },
};

describe.each(['listen', 'listenSse'] as const)('by %s', (transport) => {
  it.each(Object.entries(cases))('%s', async (_name, { reason, prepare }) => {
    const { schoolId, listener, lose, after } = await prepare();
    const stream = listener[transport](enrolmentsStream, { schoolId });
    await stream.until(({ items }) => items.length > 0);
    const answer = await lose();
    expect(answer ?? {}).not.toMatchObject({ __typename: 'Refusal' });
    const acknowledged = performance.now();
    const closed = stream.over.then(() => performance.now() - acknowledged);
    await after();
    // A second is promised; the second beside it is for a machine that runs other test files.
    expect(await closed).toBeLessThan(2000);
    expect(stream.items.at(-1)).toMatchObject({ __typename: 'Ended' });
    // A session of a deactivated person is ended as well: either is why.
    const reasons = reason === 'USER_DEACTIVATED' ? [reason, 'SESSION_ENDED'] : [reason];
    expect(reasons).toContain(stream.items.at(-1)!.reason);
    expect(stream.news.filter(({ kind }) => kind === 'ENROLLED')).toEqual([]);
  });
});
