import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashPassword } from '../../../src/auth/passwords.ts';
import { newId } from '../../../src/db/ids.ts';
import { maxSlips } from '../../../src/domain/invitation-sheets.ts';
import { Browser, openAuthServer, password, type AuthServer } from '../../support/auth-server.ts';

let server: AuthServer;
beforeAll(async () => void (server = await openAuthServer()));
afterAll(() => server.close());

async function world() {
  const { school, administrator } = await server.build.school({ name: 'Школа <b>№ 98</b>' });
  const group = await server.build.class({ schoolId: school.id, grade: 5, letter: 'А' });
  const passwordHash = await hashPassword(password);
  const person = (more: object) => server.build.teacher({ schoolId: school.id, passwordHash, ...more });
  const subject = await server.build.subject({ schoolId: school.id });
  const people = {
    classTeacher: await person({ classTeacherOf: group.id }),
    subjectTeacher: await person({ teaches: [{ classId: group.id, subjectId: subject.id }] }),
  };
  await server.db.prisma.user.update({ where: { id: administrator.id }, data: { passwordHash } });
  const invited = await server.build.invited({ schoolId: school.id, classId: group.id, surname: 'Ёлкина', givenName: 'Анна' });
  return { school, administrator, group, people, invited, path: `/classes/${group.id}/invitations` };
}

/** Opens the page, signs in as this person, and returns the page that follows. */
async function openAs(signInName: string | null, path: string, headers: Record<string, string> = {}) {
  const visitor = new Browser(server.url, headers);
  return visitor.submit(await visitor.open(path), { signInName: signInName!, password });
}

describe('/classes/<id>/invitations', () => {
  it('2.3 b — shows the class teacher and the administrator a slip for each pupil who has not joined', async () => {
    const { administrator, people, invited, path } = await world();
    for (const { signInName } of [people.classTeacher, administrator]) {
      const page = await openAs(signInName, path);
      expect([page.status, new URL(page.url).pathname]).toEqual([200, path]);
      expect(page.text.match(/<article class="slip">/g)).toHaveLength(1);
      expect(page.text).toContain('Ёлкина Анна');
      expect(page.text).toContain('Класс 5А');
      expect(page.text).toContain(`/join/${invited.code}</p>`);
      expect(page.text).toMatch(/<svg [^>]*viewBox/);
      expect(page.text).toContain('Школа &lt;b&gt;№ 98&lt;/b&gt;');
    }
    expect((await openAs(people.classTeacher.signInName, path, { 'accept-language': 'en' })).text).toContain('Works once, until');
  });

  it('allows scripts of this server and no inline script or style, and is not cached', async () => {
    const { people, path } = await world();
    const page = await openAs(people.classTeacher.signInName, path);
    const policy = page.headers.get('content-security-policy')!;
    expect(policy).toContain("script-src 'self'");
    expect(policy).not.toContain('unsafe');
    expect(page.text).not.toMatch(/<script(?! src="\/assets\/print\.js")|style=|\son\w+=/i);
    expect(page.headers.get('cache-control')).toBe('no-store');
    expect(page.headers.get('referrer-policy')).toBe('no-referrer');
  });

  it('refuses other teachers of the class, and knows no class of another school', async () => {
    const { people, path, invited } = await world();
    const refused = await openAs(people.subjectTeacher.signInName, path);
    expect(refused.status).toBe(403);
    expect(refused.text).not.toContain(invited.code);
    const other = await world();
    const foreign = await openAs(other.people.classTeacher.signInName, path);
    expect(foreign.status).toBe(404);
    expect(foreign.text).not.toContain('Ёлкина');
    expect((await openAs(people.classTeacher.signInName, `/classes/${'-'.repeat(36)}/invitations`)).status).not.toBe(500);
  });

  it('names pupils without a valid invitation, and says so when everybody has joined', async () => {
    const { people, path, invited } = await world();
    await server.db.prisma.invitation.update({ where: { id: invited.invitation.id }, data: { expiresAt: new Date() } });
    const expired = await openAs(people.classTeacher.signInName, path);
    expect(expired.text).not.toContain('<article');
    expect(expired.text).toContain('<li>Ёлкина Анна</li>');
    await server.db.prisma.user.update({ where: { id: invited.user.id }, data: { joinedAt: new Date() } });
    expect((await openAs(people.classTeacher.signInName, path)).text).toContain('Все ученики класса уже вступили');
  });

  it('returns to no other address after signing in', async () => {
    for (const state of ['ru https://evil.example/', 'ru //evil.example', 'ru /explorer', 'en']) {
      const answer = await fetch(`${server.url}/sessions/signed-in?${new URLSearchParams({ state }).toString()}`, { redirect: 'manual' });
      expect(answer.headers.get('location')).toMatch(/^\/sessions\?lang=(ru|en)$/);
    }
  });
});

/** Returns for each sheet of a page the titles of its slips, as «name, class». */
const sheetsOf = (text: string): string[][] =>
  text
    .split('<div class="sheet">')
    .slice(1)
    .map((sheet) => [...sheet.matchAll(/<h2>([^<]*)<\/h2>\s*<p class="class">([^<]*)/g)].map(([, name, of]) => `${name}, ${of}`));

describe('/invitations', () => {
  it('2.3 b — shows a sheet for each class of the visitor with pupils who have not joined', async () => {
    const { school, administrator, people } = await world();
    const other = await server.build.class({ schoolId: school.id, grade: 9, letter: 'Б' });
    for (const surname of ['Яковлева', 'Абрамова'])
      await server.build.invited({ schoolId: school.id, classId: other.id, surname, givenName: 'Ия' });
    const joined = await server.build.class({ schoolId: school.id, grade: 3, letter: 'В' });
    await server.build.student({ classId: joined.id });
    await world();
    const of5 = ['Ёлкина Анна, Класс 5А'];
    const page = await openAs(administrator.signInName, '/invitations');
    expect([page.status, new URL(page.url).pathname]).toEqual([200, '/invitations']);
    expect(sheetsOf(page.text)).toEqual([of5, ['Абрамова Ия, Класс 9Б', 'Яковлева Ия, Класс 9Б']]);
    expect(page.text).toContain('Ещё не вступили: <strong>3</strong>');
    expect(sheetsOf((await openAs(people.classTeacher.signInName, '/invitations')).text)).toEqual([of5]);
    const nothing = await openAs(people.subjectTeacher.signInName, '/invitations');
    expect([sheetsOf(nothing.text), nothing.text]).toEqual([[], expect.stringContaining('Печатать нечего')]);
  });

  it('shows no archived class, and names pupils without a valid invitation by class', async () => {
    const { administrator, group, invited } = await world();
    await server.db.prisma.invitation.update({ where: { id: invited.invitation.id }, data: { expiresAt: new Date() } });
    const expired = await openAs(administrator.signInName, '/invitations');
    expect([sheetsOf(expired.text), expired.text]).toEqual([[], expect.stringContaining('<li>Ёлкина Анна</li>')]);
    await server.db.prisma.class.update({ where: { id: group.id }, data: { archivedAt: new Date() } });
    expect((await openAs(administrator.signInName, '/invitations')).text).not.toContain('Ёлкина');
  });
});

it('a page with too many slips says that some are missing', async () => {
  const { school, administrator, group, invited } = await world();
  const names = { givenName: 'Пётр', searchText: '', sortKey: 'я' };
  const users = Array.from({ length: maxSlips }, (_, n) => ({ ...names, id: newId(), surname: `Ученик${n}` }));
  await server.db.prisma.user.createMany({ data: users });
  const notice = 'Листков слишком много';
  const enrolments = users.map(({ id }) => ({ schoolId: school.id, classId: group.id, studentId: id }));
  await server.db.prisma.enrolment.createMany({ data: enrolments.slice(1) });
  expect((await openAs(administrator.signInName, '/invitations')).text).not.toContain(notice);
  await server.db.prisma.enrolment.createMany({ data: enrolments.slice(0, 1) });
  const page = await openAs(administrator.signInName, '/invitations');
  expect(page.text).toContain(notice);
  expect(sheetsOf(page.text).flat()).toHaveLength(1);
  expect(page.text).toContain(invited.code);
});

describe('/invitations/staff', () => {
  async function buildStaff() {
    const built = await world();
    const schoolId = built.school.id;
    const teacher = await server.build.invited({ schoolId, surname: 'Ягодина', givenName: 'Ольга' });
    await server.db.prisma.roleGrant.create({ data: { schoolId, userId: teacher.user.id, role: 'SCHOOL_ADMINISTRATION' } });
    const former = await server.build.invited({ schoolId, surname: 'Бывшая', givenName: 'Яна' });
    await server.db.prisma.roleGrant.updateMany({ where: { userId: former.user.id }, data: { endedAt: new Date() } });
    return { ...built, teacher };
  }

  it('2.1 d — shows the administrator a slip for each adult of the school who has not joined, with the roles', async () => {
    const { administrator, teacher } = await buildStaff();
    await buildStaff();
    const page = await openAs(administrator.signInName, '/invitations/staff');
    expect(sheetsOf(page.text)).toEqual([
      [expect.stringMatching(/^Ягодина Ольга, (Учитель, администрация школы|Администрация школы, учитель)$/)],
    ]);
    expect(page.text).toContain(`/join/${teacher.code}</p>`);
    await server.db.prisma.user.update({ where: { id: teacher.user.id }, data: { joinedAt: new Date() } });
    expect((await openAs(administrator.signInName, '/invitations/staff')).text).toContain('Все взрослые уже вступили');
  });

  it('refuses everyone else, and shows no link of another school', async () => {
    const { school, people, administrator, teacher } = await buildStaff();
    const leader = await server.build.user({
      schoolId: school.id,
      role: 'SCHOOL_ADMINISTRATION',
      passwordHash: await hashPassword(password),
    });
    for (const { signInName } of [people.classTeacher, people.subjectTeacher, leader]) {
      const page = await openAs(signInName, '/invitations/staff');
      expect([page.status, page.text.includes('Ягодина')]).toEqual([403, false]);
    }
    const other = await world();
    await server.db.prisma.roleGrant.create({ data: { schoolId: other.school.id, userId: teacher.user.id, role: 'TEACHER' } });
    const foreign = await openAs(other.administrator.signInName, '/invitations/staff');
    expect([sheetsOf(foreign.text), foreign.text]).toEqual([[], expect.stringContaining('<li>Ягодина Ольга</li>')]);
    expect(foreign.text).not.toContain(teacher.code);
    expect(sheetsOf((await openAs(administrator.signInName, '/invitations/staff')).text)).toHaveLength(1);
  });
});

describe('/classes', () => {
  it('lists the classes whose slips the visitor may print, with the number of pupils who have not joined', async () => {
    const { school, administrator, people, path } = await world();
    const other = await server.build.class({ schoolId: school.id, grade: 9, letter: 'Б' });
    await server.build.student({ classId: other.id });
    await world();
    const linksOf = async (signInName: string | null) => {
      const { text } = await openAs(signInName, '/classes');
      return [...text.matchAll(/href="(\/classes\/[^"?]*)[^>]*>([^<]*)<\/a>\s*<p[^>]*>([^<]*)/g)].map(([, ...parts]) => parts);
    };
    const own = [path, '5А', 'Ещё не вступили: 1'];
    expect(await linksOf(people.classTeacher.signInName)).toEqual([own]);
    expect(await linksOf(administrator.signInName)).toEqual([own, [`/classes/${other.id}/invitations`, '9Б', 'Все вступили']]);
    expect(await linksOf(people.subjectTeacher.signInName)).toEqual([]);
  });

  it('leads to the slips of all classes and of adults as far as the visitor may print them', async () => {
    const { school, administrator, people } = await world();
    const other = await server.build.class({ schoolId: school.id, grade: 9, letter: 'Б' });
    await server.build.student({ classId: other.id });
    const linksOf = async (signInName: string | null) =>
      [...(await openAs(signInName, '/classes')).text.matchAll(/href="(\/invitations[^"?]*)/g)].map(([, path]) => path);
    expect(await linksOf(administrator.signInName)).toEqual(['/invitations', '/invitations/staff']);
    expect(await linksOf(people.classTeacher.signInName)).toEqual([]);
    await server.build.assignment({ schoolId: school.id, classId: other.id, userId: people.classTeacher.id });
    expect(await linksOf(people.classTeacher.signInName)).toEqual(['/invitations']);
    expect(await linksOf(people.subjectTeacher.signInName)).toEqual([]);
  });
});
