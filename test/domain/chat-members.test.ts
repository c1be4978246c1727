import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { ChatKind, ChatRole } from '../../src/db/generated/client.ts';
import { expectRefusal } from '../support/expect-refusal.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
afterAll(() => app.close());

const types = async (schoolId: string) => (await app.events(schoolId)).map((event) => event.type);

/** Creates a school with a class and an extra-curricular chat owned by the head. */
async function open() {
  const { school, administrator } = await app.build.school();
  const head = await app.build.user({ schoolId: school.id, role: 'SCHOOL_ADMINISTRATION' });
  const group = await app.build.class({ schoolId: school.id });
  const classTeacher = await app.build.teacher({ schoolId: school.id, classTeacherOf: group.id });
  const teacher = await app.build.teacher({ schoolId: school.id });
  const pupil = await app.build.student({ classId: group.id });
  const chat = await app.build.chat({ schoolId: school.id, kind: 'EXTRACURRICULAR' });
  await put(chat, head, 'OWNER');
  return { school, administrator, head, group, classTeacher, teacher, pupil, chat };
}

const put = ({ id, schoolId }: { id: string; schoolId: string }, user: { id: string }, role: ChatRole = 'MEMBER') =>
  app.db.prisma.chatMember.create({ data: { schoolId, chatId: id, userId: user.id, role, reason: 'PERSON' } });

const input = (chat: { id: string }, user: { id: string }) => ({ chatId: app.id('Chat', chat.id), userId: app.id('User', user.id) });

const roleIn = async (chat: { id: string }, user: { id: string }) =>
  (await app.db.prisma.chatMember.findUnique({ where: { chatId_userId: { chatId: chat.id, userId: user.id } } }))?.role;

describe('addChatMember', () => {
  it('adds people of the school, once', async () => {
    const { school, head, teacher, pupil, chat } = await open();
    const added = await app.as(head).addChatMember(input(chat, pupil));
    expect(added).toMatchObject({
      __typename: 'ChatMember',
      role: 'MEMBER',
      reason: 'PERSON',
      addedBy: { id: app.id('User', head.id) },
      user: { id: app.id('User', pupil.id) },
    });
    await app.as(head).addChatMember(input(chat, teacher));
    expect(await app.as(head).addChatMember(input(chat, pupil))).toEqual(added);
    expect(await types(school.id)).toEqual(['chatMember.added', 'chatMember.added']);
    expect(await app.as(pupil).chatById({ id: app.id('Chat', chat.id) })).toMatchObject({ viewerRole: 'MEMBER' });
  });

  it('refuses pupils in chats of all other kinds (regulation 2.5 b)', async () => {
    const { school, administrator, head, group, pupil } = await open();
    const other = await app.build.student({ classId: (await app.build.class({ schoolId: school.id })).id });
    const rule = { code: 'CONFLICT', path: ['userId'], clause: '2.5 b' };
    const ofClass = await app.build.chat({ schoolId: school.id, kind: 'CLASS', classId: group.id });
    const staff = await app.build.chat({ schoolId: school.id, kind: 'STAFF' });
    await expectRefusal(app, school.id, rule, () => app.as(head).addChatMember(input(ofClass, other)));
    await expectRefusal(app, school.id, rule, () => app.as(head).addChatMember(input(staff, pupil)));
    expect(await app.as(head).addChatMember(input(ofClass, administrator))).toMatchObject({ reason: 'PERSON' });
  });

  it('refuses people without a role in the school, members who do not moderate, and archived chats', async () => {
    const { school, head, teacher, pupil, chat } = await open();
    const former = await app.build.teacher({ schoolId: school.id });
    await app.db.prisma.roleGrant.updateMany({ where: { userId: former.id }, data: { endedAt: new Date() } });
    const { administrator: stranger } = await app.build.school();
    await put(chat, teacher);
    await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['userId'] }, () => app.as(head).addChatMember(input(chat, former)));
    await expectRefusal(app, school.id, { code: 'NOT_FOUND', path: ['userId'] }, () => app.as(head).addChatMember(input(chat, stranger)));
    await expectRefusal(app, school.id, { code: 'FORBIDDEN' }, () => app.as(teacher).addChatMember(input(chat, head)));
    await expectRefusal(app, school.id, { code: 'NOT_FOUND', path: ['chatId'] }, () => app.as(pupil).addChatMember(input(chat, pupil)));
    await app.db.prisma.chat.update({ where: { id: chat.id }, data: { archivedAt: new Date() } });
    await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['chatId'] }, () => app.as(head).addChatMember(input(chat, pupil)));
  });
});

describe('removeChatMember', () => {
  it('takes a person out, and lets one leave', async () => {
    const { school, head, teacher, pupil, chat } = await open();
    await put(chat, teacher);
    await put(chat, pupil);
    expect(await app.as(head).removeChatMember(input(chat, teacher))).toMatchObject({ __typename: 'Chat', memberCount: 2 });
    expect(await app.as(pupil).removeChatMember(input(chat, pupil))).toMatchObject({ __typename: 'Chat' });
    expect(await app.as(head).removeChatMember(input(chat, pupil))).toMatchObject({ memberCount: 1 });
    expect(await types(school.id)).toEqual(['chatMember.removed', 'chatMember.removed']);
    expect(await app.as(pupil).chatById({ id: app.id('Chat', chat.id) })).toBeNull();
  });

  it('refuses to remove members by rule, and the last moderator', async () => {
    const { school, head, classTeacher, pupil, group, chat } = await open();
    const ofClass = await app.build.chat({ schoolId: school.id, kind: 'CLASS', classId: group.id });
    await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['userId'] }, () =>
      app.as(classTeacher).removeChatMember(input(ofClass, pupil)),
    );
    await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['userId'] }, () =>
      app.as(pupil).removeChatMember(input(ofClass, pupil)),
    );
    await put(chat, pupil);
    await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['userId'] }, () => app.as(head).removeChatMember(input(chat, head)));
  });

  it('does not let a moderator remove another moderator or the owner, but lets the administration', async () => {
    const { school, head, teacher, classTeacher, chat } = await open();
    await put(chat, teacher, 'MODERATOR');
    await put(chat, classTeacher, 'MODERATOR');
    for (const above of [head, classTeacher])
      await expectRefusal(app, school.id, { code: 'FORBIDDEN', clause: '2.2 e' }, () =>
        app.as(teacher).removeChatMember(input(chat, above)),
      );
    const deputy = await app.build.user({ schoolId: school.id, role: 'SCHOOL_ADMINISTRATION' });
    expect(await app.as(deputy).removeChatMember(input(chat, head))).toMatchObject({ __typename: 'Chat' });
    expect(await roleIn(chat, head)).toBeUndefined();
  });
});

describe('promoteChatMember', () => {
  it('makes a member a moderator until a person changes it', async () => {
    const { school, head, teacher, chat } = await open();
    await put(chat, teacher);
    const promoted = await app.as(head).promoteChatMember(input(chat, teacher));
    expect(promoted).toMatchObject({ role: 'MODERATOR', addedBy: { id: app.id('User', head.id) } });
    expect(await app.as(head).promoteChatMember(input(chat, teacher))).toEqual(promoted);
    expect(await types(school.id)).toEqual(['chatMember.promoted']);
  });

  it('refuses pupils, and those who are not in the chat', async () => {
    const { school, head, teacher, pupil, chat } = await open();
    await put(chat, pupil);
    await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['userId'], clause: '2.5 b' }, () =>
      app.as(head).promoteChatMember(input(chat, pupil)),
    );
    await expectRefusal(app, school.id, { code: 'NOT_FOUND', path: ['userId'] }, () =>
      app.as(head).promoteChatMember(input(chat, teacher)),
    );
    await expectRefusal(app, school.id, { code: 'FORBIDDEN' }, () => app.as(pupil).promoteChatMember(input(chat, pupil)));
  });
});

describe('demoteChatMember', () => {
  it('makes a moderator a member', async () => {
    const { school, head, teacher, chat } = await open();
    await put(chat, teacher, 'MODERATOR');
    expect(await app.as(head).demoteChatMember(input(chat, teacher))).toMatchObject({ role: 'MEMBER' });
    expect(await app.as(head).demoteChatMember(input(chat, teacher))).toMatchObject({ role: 'MEMBER' });
    expect(await types(school.id)).toEqual(['chatMember.demoted']);
  });

  it('refuses to demote moderators by rule, higher ranks, and the last moderator', async () => {
    const { school, head, teacher, classTeacher, group, chat } = await open();
    const ofClass = await app.build.chat({ schoolId: school.id, kind: 'CLASS', classId: group.id });
    await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['userId'] }, () =>
      app.as(head).demoteChatMember(input(ofClass, classTeacher)),
    );
    await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['userId'] }, () => app.as(head).demoteChatMember(input(chat, head)));
    await put(chat, teacher, 'MODERATOR');
    await expectRefusal(app, school.id, { code: 'FORBIDDEN' }, () => app.as(teacher).demoteChatMember(input(chat, head)));
    expect(await app.as(teacher).demoteChatMember(input(chat, teacher))).toMatchObject({ role: 'MEMBER' });
  });
});

describe('the owner of a chat', () => {
  /**
   * Creates a chat with an owner, who is a teacher, and two moderators. The moderator `first` joined before `second`.
   */
  async function owned() {
    const all = await open();
    const { school, teacher: owner, classTeacher: second } = all;
    const first = await app.build.teacher({ schoolId: school.id });
    const chat = await app.build.chat({ schoolId: school.id, kind: 'EXTRACURRICULAR' });
    await put(chat, owner, 'OWNER');
    const at = (user: { id: string }, joinedAt: string) =>
      app.db.prisma.chatMember.create({
        data: { schoolId: school.id, chatId: chat.id, userId: user.id, role: 'MODERATOR', reason: 'PERSON', joinedAt: new Date(joinedAt) },
      });
    await at(second, '2026-09-02T00:00:00Z');
    await at(first, '2026-09-01T00:00:00Z');
    return { ...all, chat, owner, first, second };
  }
  type Owned = Awaited<ReturnType<typeof owned>>;

  const owners = async (chat: { id: string }) =>
    (await app.db.prisma.chatMember.findMany({ where: { chatId: chat.id, role: 'OWNER' } })).map(({ userId }) => userId);
  const grantOf = async (user: { id: string }) =>
    app.id('RoleGrant', (await app.db.prisma.roleGrant.findFirstOrThrow({ where: { userId: user.id, endedAt: null } })).id);

  const ways: Record<string, (w: Owned) => Promise<unknown>> = {
    leaves: (w) => app.as(w.owner).removeChatMember(input(w.chat, w.owner)),
    'is removed by the administration': (w) => app.as(w.head).removeChatMember(input(w.chat, w.owner)),
    'steps down': (w) => app.as(w.owner).demoteChatMember(input(w.chat, w.owner)),
    'is demoted by the administration': (w) => app.as(w.head).demoteChatMember(input(w.chat, w.owner)),
    'loses the role in the school': async (w) => app.as(w.administrator).endRole({ grantId: await grantOf(w.owner) }),
    'is deactivated': (w) =>
      app.as(w.administrator).deactivateUser({ schoolId: app.id('School', w.school.id), userId: app.id('User', w.owner.id) }),
  };

  it.each(Object.keys(ways))('who %s is succeeded by the longest-serving moderator, and an event is recorded', async (way) => {
    const w = await owned();
    expect(await ways[way]!(w)).not.toMatchObject({ __typename: 'Refusal' });
    expect(await owners(w.chat)).toEqual([w.first.id]);
    expect(await roleIn(w.chat, w.second)).toBe('MODERATOR');
    expect((await app.events(w.school.id)).filter(({ type }) => type === 'chatMember.promoted')).toMatchObject([
      { payload: { chatId: w.chat.id, userId: w.first.id } },
    ]);
  });

  it('who returns is a member', async () => {
    const w = await owned();
    await app.as(w.owner).removeChatMember(input(w.chat, w.owner));
    expect(await app.as(w.first).addChatMember(input(w.chat, w.owner))).toMatchObject({ role: 'MEMBER' });
    expect(await app.as(w.owner).demoteChatMember(input(w.chat, w.first))).toMatchObject({ code: 'FORBIDDEN' });
    expect(await owners(w.chat)).toEqual([w.first.id]);
    // The new owner leaves too, so the next moderator becomes the owner.
    await app.as(w.first).removeChatMember(input(w.chat, w.first));
    expect(await owners(w.chat)).toEqual([w.second.id]);
  });

  it('is the administrator if the last owner or moderator loses the role', async () => {
    const { school, administrator, teacher, chat: _, pupil } = await open();
    const chat = await app.build.chat({ schoolId: school.id, kind: 'EXTRACURRICULAR' });
    await put(chat, teacher, 'OWNER');
    await put(chat, pupil);
    expect(await app.as(teacher).removeChatMember(input(chat, teacher))).toMatchObject({ code: 'CONFLICT', path: ['userId'] });
    await app.as(administrator).endRole({ grantId: await grantOf(teacher) });
    expect(await owners(chat)).toEqual([administrator.id]);
    expect(await types(school.id)).toEqual(['role.ended', 'chatMember.removed', 'chatMember.added', 'chatMember.promoted']);
  });

  it('is the administrator who is already in the chat, without a second membership', async () => {
    const { school, administrator, teacher } = await open();
    const chat = await app.build.chat({ schoolId: school.id, kind: 'EXTRACURRICULAR' });
    await put(chat, teacher, 'OWNER');
    await put(chat, administrator);
    await app.as(administrator).endRole({ grantId: await grantOf(teacher) });
    expect(await owners(chat)).toEqual([administrator.id]);
    expect(await types(school.id)).toEqual(['role.ended', 'chatMember.removed', 'chatMember.promoted']);
  });

  it('by assignment stays a moderator when stepping down, and passes the role on when the assignment ends', async () => {
    const { school, administrator, classTeacher, group } = await open();
    const make = async () => {
      const chat = await app.build.chat({ schoolId: school.id, kind: 'CLASS', classId: group.id });
      await app.db.prisma.chatMember.updateMany({ where: { chatId: chat.id, userId: classTeacher.id }, data: { role: 'OWNER' } });
      const deputy = await app.build.teacher({ schoolId: school.id });
      await put(chat, deputy, 'MODERATOR');
      return { chat, deputy };
    };
    const one = await make();
    expect(await app.as(classTeacher).demoteChatMember(input(one.chat, classTeacher))).toMatchObject({ role: 'MODERATOR' });
    expect(await owners(one.chat)).toEqual([one.deputy.id]);
    const two = await make();
    await app.as(administrator).endClassTeacher({ classId: app.id('Class', group.id) });
    expect(await owners(two.chat)).toEqual([two.deputy.id]);
    expect(await roleIn(two.chat, classTeacher)).toBeUndefined();
    // A class teacher who is assigned again becomes a moderator of the class's chat, like any class teacher.
    await app.as(administrator).assignClassTeacher({ classId: app.id('Class', group.id), userId: app.id('User', classTeacher.id) });
    expect(await roleIn(two.chat, classTeacher)).toBe('MODERATOR');
    expect(await owners(two.chat)).toEqual([two.deputy.id]);
  });

  it('stays what they are in a chat that is archived with its class', async () => {
    const { school, administrator, classTeacher } = await open();
    const empty = await app.build.class({ schoolId: school.id });
    const chat = await app.build.chat({ schoolId: school.id, kind: 'CLASS', classId: empty.id });
    await put(chat, classTeacher, 'OWNER');
    await app.as(administrator).archiveClass({ classId: app.id('Class', empty.id) });
    expect(await owners(chat)).toEqual([classTeacher.id]);
    await app.as(administrator).endRole({ grantId: await grantOf(classTeacher) });
    expect(await owners(chat)).toEqual([classTeacher.id]);
  });
});

describe('a chat', () => {
  it('keeps a moderator and records the event when a rule demotes the last one', async () => {
    const { school, administrator, group, classTeacher } = await open();
    const subject = await app.build.subject({ schoolId: school.id });
    await app.build.assignment({ schoolId: school.id, classId: group.id, userId: classTeacher.id, subjectId: subject.id });
    const chat = await app.build.chat({ schoolId: school.id, kind: 'CLASS', classId: group.id });
    expect(await roleIn(chat, classTeacher)).toBe('MODERATOR');
    await app.as(administrator).endClassTeacher({ classId: app.id('Class', group.id) });
    expect([await roleIn(chat, classTeacher), await roleIn(chat, administrator)]).toEqual(['MEMBER', 'MODERATOR']);
    expect(await types(school.id)).toEqual(['classTeacher.ended', 'chatMember.demoted', 'chatMember.added', 'chatMember.promoted']);
    await app.as(administrator).assignClassTeacher({ classId: app.id('Class', group.id), userId: app.id('User', classTeacher.id) });
    expect(await roleIn(chat, classTeacher)).toBe('MODERATOR');
    expect((await types(school.id)).slice(4)).toEqual(['classTeacher.assigned', 'chatMember.promoted']);
  });
});

describe('Chat.members', () => {
  it('are in the order of the alphabet, page by page, for those who read the chat', async () => {
    const { school, group, pupil, administrator } = await open();
    const kind: ChatKind = 'CLASS';
    for (const surname of ['Яшина', 'Ёлкин', 'Аникина']) await app.build.student({ classId: group.id, surname });
    const chat = await app.build.chat({ schoolId: school.id, kind, classId: group.id });
    const page = async (user: { id: string }, variables: object) =>
      (await app.as(user).membersOfChat({ id: app.id('Chat', chat.id), ...variables })) as {
        memberCount: number;
        members: { edges: { node: { user: { surname: string } } }[]; pageInfo: { endCursor: string } };
      };
    const first = await page(pupil, { first: 2 });
    expect(first.memberCount).toBe(5);
    expect(first.members.edges.map(({ node }) => node.user.surname)).toEqual(['Аникина', 'Ёлкин']);
    const rest = await page(administrator, { after: first.members.pageInfo.endCursor });
    expect(rest.members.edges.map(({ node }) => node.user.surname)).toEqual(['Иванова', 'Иванова', 'Яшина']);
  });

  it('need the same number of statements for many chats as for one', async () => {
    const { school, group, administrator } = await open();
    const statements = async () => {
      const sent = vi.spyOn(pg.Client.prototype, 'query');
      await app.as(administrator).membersOfChats({ id: app.id('School', school.id), kind: 'CLASS' });
      const count = sent.mock.calls.length;
      sent.mockRestore();
      return count;
    };
    const chat = () => app.build.chat({ schoolId: school.id, kind: 'CLASS', classId: group.id });
    await chat();
    await statements();
    const ofOne = await statements();
    for (let count = 0; count < 10; count++) await chat();
    expect(await statements()).toBe(ofOne);
  });
});
