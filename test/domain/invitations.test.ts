import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { previewInvitation, signUp } from '../../src/domain/invitations.ts';
import type { Refusal } from '../../src/errors.ts';
import { contextFor } from '../../src/http/request-context.ts';
import { expectRefusal } from '../support/expect-refusal.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
afterAll(() => app.close());

const types = async (schoolId: string) => (await app.events(schoolId)).map((event) => event.type);
const codeOf = (made: { link?: string | null }) => made.link!.split('/join/')[1]!;
const day = 86_400_000;

/** Creates a school with a class, its class teacher, and a link for its pupils. */
async function open(of: Partial<Parameters<Sfera['build']['invitation']>[0]> = {}) {
  const { school, administrator } = await app.build.school();
  const group = await app.build.class({ schoolId: school.id });
  const teacher = await app.build.teacher({ schoolId: school.id, classTeacherOf: group.id });
  const { invitation, code } = await app.build.invitation({
    schoolId: school.id,
    role: 'STUDENT',
    classId: group.id,
    maxUses: 5,
    holderId: administrator.id,
    ...of,
  });
  return { school, administrator, group, teacher, invitation, code, id: app.id('Invitation', invitation.id) };
}

describe('createInvitation', () => {
  it('creates a link, of which only the hash is stored', async () => {
    const { school, administrator } = await app.build.school();
    const group = await app.build.class({ schoolId: school.id });
    const input = {
      schoolId: app.id('School', school.id),
      role: 'STUDENT' as const,
      classId: app.id('Class', group.id),
      label: 'В чат родителям',
    };
    const made = await app.as(administrator).createInvitation(input);
    expect(made).toMatchObject({
      __typename: 'Invitation',
      role: 'STUDENT',
      maxUses: 40,
      useCount: 0,
      seatsLeft: 40,
      status: 'ACTIVE',
      label: input.label,
      class: { id: input.classId },
      holder: { id: app.id('User', administrator.id) },
      link: expect.stringMatching(new RegExp(`^${app.config.publicUrl}/join/[\\w-]{27}$`)),
    });
    const { codeHash, expiresAt } = await app.db.prisma.invitation.findFirstOrThrow({ where: { schoolId: school.id } });
    expect(Buffer.from(codeHash).toString('latin1')).not.toContain(codeOf(made as { link: string }));
    expect(expiresAt.getTime()).toBeCloseTo(Date.now() + 14 * day, -6);
    expect(await types(school.id)).toEqual(['invitation.created']);
    const staff = { schoolId: input.schoolId, role: 'TEACHER' as const, idempotencyKey: 'once' };
    const once = await app.as(administrator).createInvitation(staff);
    expect(once).toMatchObject({ maxUses: 1, class: null });
    expect(await app.as(administrator).createInvitation(staff)).toEqual(once);
  });

  it('refuses wrong classes, numbers and times', async () => {
    const { school, administrator, group } = await open();
    const elsewhere = await open();
    const archived = await app.build.class({ schoolId: school.id, archivedAt: new Date() });
    const at = (ms: number) => new Date(Date.now() + ms).toISOString();
    const pupils = { role: 'STUDENT', classId: app.id('Class', group.id) };
    for (const [code, path, input] of [
      ['INVALID', 'classId', { role: 'STUDENT' }],
      ['INVALID', 'classId', { role: 'TEACHER', classId: app.id('Class', group.id) }],
      ['NOT_FOUND', 'classId', { role: 'STUDENT', classId: app.id('Class', elsewhere.group.id) }],
      ['CONFLICT', 'classId', { role: 'STUDENT', classId: app.id('Class', archived.id) }],
      ['INVALID', 'maxUses', { ...pupils, maxUses: 0 }],
      ['INVALID', 'maxUses', { ...pupils, maxUses: 1001 }],
      ['INVALID', 'expiresAt', { ...pupils, expiresAt: at(-1000) }],
      ['INVALID', 'expiresAt', { ...pupils, expiresAt: at(367 * day) }],
    ] as const)
      await expectRefusal(app, school.id, { code, path: [path] }, () =>
        app.as(administrator).createInvitation({ schoolId: app.id('School', school.id), ...input } as never),
      );
  });

  it('is for the platform administrator alone', async () => {
    const { school, teacher, group } = await open();
    const head = await app.build.user({ schoolId: school.id, role: 'SCHOOL_ADMINISTRATION' });
    const input = { schoolId: app.id('School', school.id), role: 'STUDENT' as const, classId: app.id('Class', group.id) };
    for (const user of [head, teacher])
      await expectRefusal(app, school.id, { code: 'FORBIDDEN', clause: '2.1 c' }, () => app.as(user).createInvitation(input));
  });
});

describe('handOverInvitation', () => {
  it('lets the class teacher see the link of the own class, and records the hand-over', async () => {
    const { school, administrator, teacher, group, code, id } = await open();
    expect(await app.as(teacher).invitationById({ id })).toBeNull();
    const input = { invitationId: id, userId: app.id('User', teacher.id) };
    const handed = await app.as(administrator).handOverInvitation(input);
    expect(handed).toMatchObject({
      holder: { id: input.userId },
      handOvers: [{ from: { id: app.id('User', administrator.id) }, to: { id: input.userId }, at: expect.any(String) }],
    });
    expect(await app.as(teacher).heldInvitations({})).toMatchObject({
      heldInvitations: {
        edges: [{ node: { id, class: { id: app.id('Class', group.id) }, link: `${app.config.publicUrl}/join/${code}` } }],
      },
    });
    expect(await app.as(administrator).handOverInvitation(input)).toEqual(handed);
    expect(await app.events(school.id)).toMatchObject([{ type: 'invitation.handedOver', payload: { userId: teacher.id } }]);
  });

  it('refuses receivers who are not staff, or not the class teacher of that class', async () => {
    const { school, administrator, teacher, group, id } = await open();
    const pupil = await app.build.student({ classId: group.id });
    const other = await app.build.teacher({ schoolId: school.id, classTeacherOf: (await app.build.class({ schoolId: school.id })).id });
    const hand =
      (user: { id: string }, by = administrator) =>
      () =>
        app.as(by).handOverInvitation({ invitationId: id, userId: app.id('User', user.id) });
    await expectRefusal(app, school.id, { code: 'CONFLICT', clause: '2.1 d' }, hand(pupil));
    await expectRefusal(app, school.id, { code: 'CONFLICT', clause: '2.1 e' }, hand(other));
    await expectRefusal(app, school.id, { code: 'NOT_FOUND' }, hand(teacher, teacher));
    const staff = await open({ role: 'TEACHER', classId: undefined } as never);
    const head = await app.build.user({ schoolId: staff.school.id, role: 'SCHOOL_ADMINISTRATION' });
    expect(await app.as(staff.administrator).handOverInvitation({ invitationId: staff.id, userId: app.id('User', head.id) })).toMatchObject(
      { __typename: 'Invitation' },
    );
  });
});

describe('revokeInvitation', () => {
  it('stops the link for good', async () => {
    const { school, administrator, code, id } = await open();
    const revoked = await app.as(administrator).revokeInvitation({ invitationId: id });
    expect(revoked).toMatchObject({ status: 'REVOKED', link: null });
    expect(await app.as(administrator).revokeInvitation({ invitationId: id })).toEqual(revoked);
    expect(await types(school.id)).toEqual(['invitation.revoked']);
    expect(await app.anonymous.invitationPreview({ code })).toBeNull();
    const person = await app.build.user();
    await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['code'] }, () => app.as(person).acceptInvitation({ code }));
    await expectRefusal(app, school.id, { code: 'CONFLICT' }, () => app.as(administrator).rotateInvitation({ invitationId: id }));
  });

  it('is allowed for the administrator, not for the holder of the link', async () => {
    const { school, administrator, teacher, id } = await open();
    await app.as(administrator).handOverInvitation({ invitationId: id, userId: app.id('User', teacher.id) });
    await expectRefusal(app, school.id, { code: 'FORBIDDEN', clause: '2.1 c' }, () =>
      app.as(teacher).revokeInvitation({ invitationId: id }),
    );
  });
});

describe('rotateInvitation', () => {
  it('creates a new link; the old one no longer works', async () => {
    const { school, administrator, code, id } = await open();
    const rotated = await app.as(administrator).rotateInvitation({ invitationId: id });
    const next = codeOf(rotated as { link: string });
    expect(next).not.toBe(code);
    expect(await types(school.id)).toEqual(['invitation.rotated']);
    expect(await app.anonymous.invitationPreview({ code })).toBeNull();
    expect(await app.anonymous.invitationPreview({ code: next })).toMatchObject({ role: 'STUDENT' });
  });
});

describe('acceptInvitation', () => {
  it('gives a pupil the role, the class and the chats of the link', async () => {
    const { school, group, code, invitation } = await open();
    const chat = await app.build.chat({ schoolId: school.id, kind: 'CLASS', classId: group.id });
    const person = await app.build.user();
    const joined = await app.as(person).acceptInvitation({ code });
    expect(joined).toMatchObject({
      __typename: 'User',
      id: app.id('User', person.id),
      roles: { edges: [{ node: { role: 'STUDENT', school: { id: app.id('School', school.id) } } }] },
    });
    expect(await app.db.prisma.enrolment.findMany({ where: { studentId: person.id } })).toMatchObject([
      { classId: group.id, endedAt: null },
    ]);
    expect(await app.db.prisma.chatMember.count({ where: { chatId: chat.id, userId: person.id } })).toBe(1);
    expect(await types(school.id)).toEqual(['invitation.accepted', 'role.granted', 'student.enrolled', 'chatMember.added']);
    // Accepting the same link again changes nothing, and does not count as another use of the link.
    expect(await app.as(person).acceptInvitation({ code })).toEqual(joined);
    expect(await types(school.id)).toHaveLength(4);
    expect(await app.db.prisma.invitation.findUnique({ where: { id: invitation.id } })).toMatchObject({ useCount: 1 });
  });

  it('shows the administration who joined by which link', async () => {
    const { administrator, code, id } = await open();
    const person = await app.build.user();
    await app.as(person).acceptInvitation({ code });
    expect(await app.as(administrator).invitationById({ id })).toMatchObject({
      useCount: 1,
      seatsLeft: 4,
      uses: { edges: [{ node: { user: { id: app.id('User', person.id) }, at: expect.any(String) } }] },
    });
  });

  it('refuses the link of a second class, naming the present one in the same school only', async () => {
    const { school, code } = await open();
    const present = await app.build.class({ schoolId: school.id, grade: 7, letter: 'Ю' });
    const pupil = await app.build.student({ classId: present.id });
    const here = await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['code'], clause: '2.5 a' }, () =>
      app.as(pupil).acceptInvitation({ code }),
    );
    expect(here.message).toContain('7Ю');
    const other = await open();
    const there = await expectRefusal(app, other.school.id, { code: 'CONFLICT', clause: '2.5 a' }, () =>
      app.as(pupil).acceptInvitation({ code: other.code }),
    );
    expect(there.message).not.toContain('7Ю');
    expect(await app.db.prisma.roleGrant.count({ where: { userId: pupil.id } })).toBe(1);
  });

  it('keeps pupils and staff of a school apart', async () => {
    const { school, teacher, group, code } = await open();
    const staff = await app.build.invitation({ schoolId: school.id });
    const pupil = await app.build.student({ classId: group.id });
    await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['code'] }, () => app.as(teacher).acceptInvitation({ code }));
    await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['code'] }, () => app.as(pupil).acceptInvitation({ code: staff.code }));
  });

  it('refuses a used-up, expired or invalid code, and one of an archived class', async () => {
    const person = await app.build.user();
    const usedUp = await open({ maxUses: 1 });
    await app.as(await app.build.user()).acceptInvitation({ code: usedUp.code });
    const expired = await open({ expiresAt: new Date(Date.now() - 1) });
    const archived = await open();
    await app.db.prisma.class.update({ where: { id: archived.group.id }, data: { archivedAt: new Date() } });
    for (const { school, code } of [usedUp, expired, archived])
      await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['code'] }, () => app.as(person).acceptInvitation({ code }));
    await expectRefusal(app, usedUp.school.id, { code: 'NOT_FOUND', path: ['code'] }, () =>
      app.as(person).acceptInvitation({ code: 'no-such-code' }),
    );
    await expectRefusal(app, usedUp.school.id, { code: 'UNAUTHENTICATED' }, () => app.anonymous.acceptInvitation({ code: usedUp.code }));
    expect(await app.db.prisma.roleGrant.count({ where: { userId: person.id } })).toBe(0);
  });
});

describe('invitationPreview', () => {
  it('shows the school and the class to the holder of the code', async () => {
    const { school, group, code } = await open();
    expect(await app.anonymous.invitationPreview({ code })).toEqual({
      schoolName: school.name,
      className: `${group.grade}${group.letter}`,
      role: 'STUDENT',
      expiresAt: expect.any(String),
    });
    expect(await app.anonymous.invitationPreview({ code: 'no-such-code' })).toBeNull();
  });

  it('limits guessing by address, says how long to wait, and still accepts a correct code', async () => {
    const { code } = await open();
    const ctx = contextFor(app, { kind: 'anonymous' }, { acceptLanguage: null, requestId: null, address: '192.0.2.98' });
    for (let n = 0; n < 20; n++) expect(await previewInvitation(ctx, `guess-${n}`)).toBeNull();
    for (let n = 0; n < 3; n++)
      await expect(previewInvitation(ctx, 'guess')).rejects.toMatchObject({
        code: 'RATE_LIMITED',
        retryAfterSeconds: expect.closeTo(870, -2),
      });
    for (let n = 0; n < 40; n++) expect(await previewInvitation(ctx, code)).not.toBeNull();
    await expect(previewInvitation(ctx, 'guess')).rejects.toMatchObject({ code: 'RATE_LIMITED' });
  });

  it('lets people join from an address where requests tried many codes at once', async () => {
    const { code, school } = await open();
    const guesses = Array.from({ length: 2 }, (_, n) => `g${n}: invitationPreview(code: "guess ${n}") { role }`).join(' ');
    for (let n = 0; n < 12; n++) await app.anonymous.send(`{ ${guesses} }`);
    const refused = await app.anonymous.send('{ invitationPreview(code: "guess") { role } }');
    const [error] = refused.errors as unknown as { extensions: object }[];
    expect(error!.extensions).toMatchObject({ code: 'RATE_LIMITED', retryAfter: expect.any(Number) });
    expect(await app.anonymous.invitationPreview({ code })).toMatchObject({ schoolName: school.name });
    expect(await app.as(await app.build.user()).acceptInvitation({ code })).toMatchObject({ __typename: 'User' });
    await app.db.prisma.rateLimit.deleteMany();
  });
});

describe('signUp', () => {
  const asked = { acceptLanguage: 'en', requestId: null, address: '192.0.2.1' };
  const at = (address: string) => contextFor(app, { kind: 'anonymous' }, { ...asked, address });
  const anybody = () => at(asked.address);
  const person = () => ({
    surname: 'Новая',
    givenName: 'Ольга',
    signInName: `новая-${Math.random().toString(36).slice(2)}`,
    password: 'длинный пароль 1',
  });

  it('creates the person and joins', async () => {
    const { school, group, code } = await open();
    const { userId } = await signUp(anybody(), { ...person(), code });
    expect(await app.db.prisma.user.findUnique({ where: { id: userId } })).toMatchObject({
      surname: 'Новая',
      locale: 'en',
      passwordHash: expect.stringContaining('argon2id'),
    });
    expect(await app.db.prisma.enrolment.count({ where: { studentId: userId, classId: group.id, endedAt: null } })).toBe(1);
    expect(await types(school.id)).toEqual(['invitation.accepted', 'role.granted', 'student.enrolled']);
    expect(JSON.stringify((await app.events(school.id)).map(({ payload }) => payload))).not.toContain('Новая');
  });

  it('creates no person when it is refused', async () => {
    const { school, code } = await open({ maxUses: 1 });
    await signUp(anybody(), { ...person(), code });
    const before = await types(school.id);
    for (const [expected, input] of [
      [{ code: 'CONFLICT', at: ['code'] }, { code }],
      [{ code: 'NOT_FOUND', at: ['code'] }, { code: 'no-such-code' }],
    ] as const) {
      const late = person();
      await expect(signUp(anybody(), { ...late, ...input })).rejects.toMatchObject(expected);
      expect(await app.db.prisma.user.count({ where: { signInName: late.signInName } })).toBe(0);
    }
    expect(await types(school.id)).toEqual(before);
  });

  it('lets forty people sign up concurrently behind one address, and later ones too', async () => {
    const { group, code } = await open({ maxUses: 41 });
    await Promise.all(Array.from({ length: 40 }, () => signUp(at('192.0.2.10'), { ...person(), code })));
    await signUp(at('192.0.2.10'), { ...person(), code });
    expect(await app.db.prisma.enrolment.count({ where: { classId: group.id, endedAt: null } })).toBe(41);
  });

  it('uses no attempts of the link while the server is overloaded', async () => {
    const { code } = await open();
    const connect = app.db.pool.connect.bind(app.db.pool) as (...args: unknown[]) => unknown;
    // Fails transactions only. A transaction calls `pool.connect` without arguments; `pool.query` calls it with a
    // callback.
    const overloaded = vi
      .spyOn(app.db.pool, 'connect')
      .mockImplementation(((...args: unknown[]) =>
        args.length > 0 ? connect(...args) : Promise.reject(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }))) as never);
    for (let n = 0; n < 45; n++) await expect(signUp(at('192.0.2.50'), { ...person(), code })).rejects.toThrow('refused');
    overloaded.mockRestore();
    expect(await signUp(at('192.0.2.50'), { ...person(), code })).toMatchObject({ userId: expect.any(String) });
  });

  it.each(['update rate_limit', 'insert into rate_limit'])(
    'returns the taken tokens, or succeeds, if a statement fails: %s',
    async (statement) => {
      const { code, group } = await open();
      const query = app.db.pool.query.bind(app.db.pool) as (...args: unknown[]) => Promise<unknown>;
      await app.db.prisma.rateLimit.deleteMany();
      let calls = 0;
      const failing = vi.spyOn(app.db.pool, 'query').mockImplementation((...args: unknown[]): unknown =>
        // Inserts into `rate_limit` take tokens; updates give them back (src/auth/limits.ts). This mock fails every
        // update, or only the second insert. The first insert has then already taken a token, which the server has to give
        // back.
        String(args[0]).startsWith(statement) && ((calls += 1) === 2 || statement.startsWith('update'))
          ? Promise.reject(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }))
          : query(...args),
      );
      const outcome = await signUp(at('192.0.2.60'), { ...person(), code }).catch((error: Error) => error.message);
      failing.mockRestore();
      if (statement.startsWith('update')) {
        expect(outcome).toMatchObject({ userId: expect.any(String) });
        expect(await app.db.prisma.enrolment.count({ where: { classId: group.id } })).toBe(1);
      } else {
        expect(outcome).toBe('refused');
        for (const { resetsAt } of await app.db.prisma.rateLimit.findMany()) expect(resetsAt.getTime()).toBeLessThanOrEqual(Date.now());
      }
      await app.db.prisma.rateLimit.deleteMany();
    },
  );

  it('lets a script probe forty names by one link, and then one a minute, from any address', async () => {
    const [{ code, group }, other] = [await open(), await open()];
    const taken = person();
    await signUp(anybody(), { ...taken, code: other.code });
    const answers: unknown[] = [];
    for (let n = 0; n < 50; n++)
      answers.push(
        await signUp(at(`192.0.2.${20 + (n % 5)}`), { ...taken, code }).catch(({ code: refusalCode, text, retryAfterSeconds }: Refusal) => [
          refusalCode,
          text[0],
          retryAfterSeconds,
        ]),
      );
    expect(answers.slice(0, 40)).toEqual(Array(40).fill(['CONFLICT', 'Этот логин нельзя использовать. Выберите другой.', undefined]));
    expect(answers.slice(40)).toEqual(Array(10).fill(['RATE_LIMITED', expect.any(String), expect.any(Number)]));
    // The link has no tries left, so it refuses even a login that nobody has. No pupil is enrolled in the class.
    const waiting = person();
    await expect(signUp(at('192.0.2.30'), { ...waiting, code })).rejects.toMatchObject({ code: 'RATE_LIMITED' });
    expect(await app.db.prisma.enrolment.count({ where: { classId: group.id } })).toBe(0);
    await signUp(at('192.0.2.20'), { ...person(), code: other.code });
    await app.db.pool.query(`update rate_limit set resets_at = resets_at - interval '60 seconds'`);
    await signUp(at('192.0.2.30'), { ...waiting, code });
    await app.db.prisma.rateLimit.deleteMany();
  });

  it('lets a script at one address probe 120 names by all links, and then one in twenty seconds', async () => {
    const links = [];
    for (let n = 0; n < 5; n++) links.push(await open());
    const taken = person();
    await signUp(anybody(), { ...taken, code: links[0]!.code });
    let told = 0;
    for (let n = 0; n < 150; n++)
      told += (await signUp(at('192.0.2.40'), { ...taken, code: links[n % 5]!.code }).catch(({ code }: Refusal) =>
        Number(code === 'CONFLICT'),
      )) as number;
    expect(told).toBeGreaterThanOrEqual(120);
    expect(told).toBeLessThan(130);
    await signUp(at('192.0.2.41'), { ...person(), code: links[1]!.code });
    await app.db.prisma.rateLimit.deleteMany();
  });

  it('refuses invalid names and passwords, and taken names', async () => {
    const { school, code } = await open();
    for (const [path, value] of [
      ['surname', ''],
      ['signInName', 'а'],
      ['password', '123'],
    ] as const)
      await expect(signUp(anybody(), { ...person(), code, [path]: value })).rejects.toMatchObject({ code: 'INVALID', at: [path] });
    const taken = person();
    await signUp(anybody(), { ...taken, code });
    const before = await types(school.id);
    await expect(signUp(anybody(), { ...taken, signInName: taken.signInName.toUpperCase(), code })).rejects.toMatchObject({
      code: 'CONFLICT',
      at: ['signInName'],
    });
    expect(await types(school.id)).toEqual(before);
  });
});

describe('School.invitations', () => {
  it('are the newest first, by status, role and class', async () => {
    const { school, administrator, group, id: active } = await open();
    const make = async (of: Partial<Parameters<Sfera['build']['invitation']>[0]>, data: object = {}) => {
      const { invitation } = await app.build.invitation({ schoolId: school.id, ...of });
      await app.db.prisma.invitation.update({ where: { id: invitation.id }, data });
      return app.id('Invitation', invitation.id);
    };
    const expired = await make({ expiresAt: new Date(Date.now() - 60_000) });
    const usedUp = await make({ maxUses: 2 }, { useCount: 2 });
    const revoked = await make({ maxUses: 2 }, { useCount: 2, revokedAt: new Date() });
    const list = async (variables: object = {}) => {
      const found = (await app.as(administrator).invitationsOfSchool({ id: app.id('School', school.id), ...variables })) as {
        invitations: { edges: { node: { id: string; status: string } }[] };
      };
      return found.invitations.edges.map(({ node }) => [node.id, node.status]);
    };
    const all = [
      [revoked, 'REVOKED'],
      [usedUp, 'USED_UP'],
      [expired, 'EXPIRED'],
      [active, 'ACTIVE'],
    ];
    expect(await list()).toEqual(all);
    for (const [id, status] of all) expect(await list({ status })).toEqual([[id, status]]);
    expect(await list({ role: 'STUDENT' })).toEqual([[active, 'ACTIVE']]);
    expect(await list({ classId: app.id('Class', group.id) })).toEqual([[active, 'ACTIVE']]);
  });
});
