import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashCode } from '../../../src/auth/seal.ts';
import { exportCommand } from '../../../src/commands/export-roster.ts';
import { expectRefusal } from '../../support/expect-refusal.ts';
import { senderOf, type Sender } from '../../support/import-lists.ts';
import { openSfera, type Sfera } from '../../support/sfera.ts';

let app: Sfera;
let folder: string;
beforeAll(async () => {
  app = await openSfera();
  folder = mkdtempSync(join(tmpdir(), 'sfera-'));
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await app.close();
});

async function buildSchool() {
  const { school, administrator } = await app.build.school({ name: 'Школа "№ 98"/Б' });
  const own = await app.build.class({ schoolId: school.id, letter: 'А' });
  const subject = await app.build.subject({ schoolId: school.id, name: 'Физика' });
  const teacher = await app.build.teacher({ schoolId: school.id, surname: 'Смирнова', classTeacherOf: own.id });
  await app.build.teacher({ schoolId: school.id, surname: 'Кузнецов', teaches: [{ classId: own.id, subjectId: subject.id }] });
  const pupil = await app.build.student({ classId: own.id, surname: 'Ёжиков' });
  await app.db.prisma.user.update({ where: { id: pupil.id }, data: { email: 'hedgehog@example.org' } });
  return { school, administrator, teacher, by: await senderOf(app, administrator), schoolId: app.id('School', school.id) };
}

const link = async (by: Pick<Sender, 'as'>, schoolId: string, format = 'LIST'): Promise<any> =>
  by.as.exportRoster({ schoolId, format: format as 'LIST' });

/** Requests the path of a link from the test's server, because nothing listens at the public URL in the link. */
const follow = (url: string, { token, ...init }: RequestInit & { token?: string } = {}): Promise<Response> =>
  fetch(`${new URL(app.url).origin}${new URL(url).pathname}`, {
    ...init,
    ...(token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }),
  });

/** Returns the status and the body of a response. */
const outcome = async (response: Response): Promise<[number, string]> => [response.status, await response.text()];

const exported = async (schoolId: string) => (await app.events(schoolId)).filter(({ type }) => type === 'roster.exported');

describe('exportRoster', () => {
  it.each(['LIST', 'ONE_ROSTER_1_2'])('gives a link to the file in %s that `npx sfera export` writes, byte for byte', async (format) => {
    const { school, by, schoolId } = await buildSchool();
    const made = await link(by, schoolId, format);
    expect(made).toMatchObject({ __typename: 'RosterDownload', downloadUrl: expect.stringMatching(`^${app.config.publicUrl}/downloads/`) });
    expect(made.fileName).toMatch(format === 'LIST' ? /^Школа № 98 Б \d{4}-\d\d-\d\d\.csv$/ : /^Школа № 98 Б \d{4}-\d\d-\d\d\.zip$/);
    const response = await follow(made.downloadUrl);
    expect(response.status).toBe(200);
    const file = join(folder, randomUUID());
    await exportCommand.run(app, { FILE: file, school: school.id, format: format === 'LIST' ? 'list' : 'oneroster' }, 'ru');
    expect(Buffer.from(await response.arrayBuffer()).equals(readFileSync(file))).toBe(true);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(response.headers.get('content-disposition')).toBe(
      `attachment; filename="roster.${format === 'LIST' ? 'csv' : 'zip'}"; filename*=UTF-8''${encodeURIComponent(made.fileName)}`,
    );
  });

  it('1.5 — records that the roster left when it is downloaded, by whom, and without personal data', async () => {
    const { school, administrator, by, schoolId } = await buildSchool();
    const made = await link(by, schoolId);
    expect(await exported(school.id)).toEqual([]);
    await follow(made.downloadUrl, { token: by.token });
    expect(await exported(school.id)).toMatchObject([{ actor: `user:${administrator.id}`, payload: { schoolId: school.id } }]);
  });

  it('creates a second link for the same input, and each works', async () => {
    const { by, schoolId } = await buildSchool();
    const links = [await link(by, schoolId), await link(by, schoolId)];
    expect(links[0].downloadUrl).not.toBe(links[1].downloadUrl);
    for (const { downloadUrl } of links) expect((await follow(downloadUrl)).status).toBe(200);
  });

  it('refuses everyone but administrators and services with scope read', async () => {
    const { school, teacher, schoolId } = await buildSchool();
    const leader = await app.build.user({ schoolId: school.id, role: 'SCHOOL_ADMINISTRATION' });
    for (const person of [teacher, leader])
      await expectRefusal(app, school.id, { code: 'FORBIDDEN', clause: '1.5' }, () =>
        app.as(person).exportRoster({ schoolId, format: 'LIST' }),
      );
    const service = await app.asService(school.id, ['events']);
    await expectRefusal(app, school.id, { code: 'FORBIDDEN', clause: '1.5' }, () => service.exportRoster({ schoolId, format: 'LIST' }));
    expect(await app.db.prisma.rosterDownload.count({ where: { schoolId: school.id } })).toBe(0);
  });

  it('answers for the school of others as for one that does not exist', async () => {
    const { by } = await buildSchool();
    const foreign = await buildSchool();
    const answers = [await link(by, foreign.schoolId), await link(by, app.id('School', randomUUID()))];
    expect(answers[0]).toMatchObject({ __typename: 'Refusal', code: 'NOT_FOUND' });
    expect(answers[0]).toEqual(answers[1]);
  });

  it('gives a service with scope read the file without e-mail addresses', async () => {
    const { school, by, schoolId } = await buildSchool();
    const service = await app.asService(school.id, ['read']);
    const file = await (await follow((await link({ as: service }, schoolId)).downloadUrl)).text();
    expect(file).toContain('Ёжиков');
    expect(file).not.toContain('hedgehog@example.org');
    expect(await (await follow((await link(by, schoolId)).downloadUrl)).text()).toContain('hedgehog@example.org');
    expect(await exported(school.id)).toMatchObject([{ actor: expect.stringMatching(/^service:/) }, {}]);
  });

  it('stores no code that would open the file', async () => {
    const { school, by, schoolId } = await buildSchool();
    const { downloadUrl } = await link(by, schoolId);
    const code = String(downloadUrl).split('/').at(-1)!;
    const [row] = await app.db.prisma.rosterDownload.findMany({ where: { schoolId: school.id } });
    expect(Buffer.from(row!.codeHash).equals(hashCode(code))).toBe(true);
    expect(JSON.stringify(row)).not.toContain(code);
  });
});

describe('GET /downloads/<code>', () => {
  it('answers in the same way for a link that is unknown, used, expired, of another account, or of somebody who lost the right', async () => {
    const { school, administrator, by, schoolId } = await buildSchool();
    const unknown = await outcome(await follow(`${app.config.publicUrl}/downloads/${'A'.repeat(43)}`));
    expect(unknown[0]).toBe(404);
    const used = await link(by, schoolId);
    expect((await follow(used.downloadUrl)).status).toBe(200);
    expect(await outcome(await follow(used.downloadUrl))).toEqual(unknown);
    const expired = await link(by, schoolId);
    await app.db.prisma.rosterDownload.updateMany({ where: { schoolId: school.id }, data: { expiresAt: new Date(Date.now() - 1) } });
    expect(await outcome(await follow(expired.downloadUrl))).toEqual(unknown);
    const { downloadUrl } = await link(by, schoolId);
    const other = await senderOf(app, await app.build.user({ schoolId: school.id, role: 'PLATFORM_ADMINISTRATOR' }));
    expect(await outcome(await follow(downloadUrl, { token: other.token }))).toEqual(unknown);
    expect((await follow(downloadUrl, { token: 'no-token' })).status).toBe(401);
    const kept = await link(by, schoolId);
    expect((await follow(downloadUrl, { token: by.token })).status).toBe(200);
    await app.db.prisma.session.updateMany({ where: { userId: administrator.id }, data: { endedAt: new Date() } });
    expect(await outcome(await follow(kept.downloadUrl))).toEqual(unknown);
    expect(await exported(school.id)).toHaveLength(2);
  });

  it('refuses a person who is no longer an administrator', async () => {
    const { school, administrator, by, schoolId } = await buildSchool();
    const { downloadUrl } = await link(by, schoolId);
    await app.db.prisma.roleGrant.updateMany({ where: { schoolId: school.id, userId: administrator.id }, data: { endedAt: new Date() } });
    expect((await follow(downloadUrl)).status).toBe(404);
    expect(await exported(school.id)).toEqual([]);
  });

  it('sends the file to one of two requests at once', async () => {
    const { school, by, schoolId } = await buildSchool();
    const { downloadUrl } = await link(by, schoolId);
    const answers = await Promise.all([follow(downloadUrl), follow(downloadUrl)]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 404]);
    expect(await exported(school.id)).toHaveLength(1);
  });

  it('leaves the link usable after a HEAD request', async () => {
    const { by, schoolId } = await buildSchool();
    const { downloadUrl } = await link(by, schoolId);
    expect((await follow(downloadUrl, { method: 'HEAD' })).status).toBe(405);
    expect((await follow(downloadUrl)).status).toBe(200);
  });
});
