import { existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { maxUploadBytes, uploadFolder } from '../../src/domain/uploads.ts';
import { deleteOldUploads } from '../../src/jobs/housekeeping.ts';
import { expectRefusal } from '../support/expect-refusal.ts';
import { send, senderOf, type Sender } from '../support/import-lists.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
afterAll(() => app.close());

async function scene() {
  const { school, administrator } = await app.build.school();
  return { school, by: await senderOf(app, administrator), schoolId: app.id('School', school.id) };
}

const announce = async (by: Sender, schoolId: string, size = 5): Promise<any> => by.as.createUpload({ schoolId, name: 'список.csv', size });

const codeOf = async (response: Response): Promise<[number, unknown]> => {
  const body = (await response.json()) as { errors?: { extensions?: { code?: string } }[] };
  return [response.status, body.errors?.[0]?.extensions?.code];
};

const hello = Buffer.from('hello');

describe('createUpload', () => {
  it('announces a file, takes its bytes once, and keeps them apart from other data', async () => {
    const { school, by, schoolId } = await scene();
    const made = await announce(by, schoolId);
    expect(made).toMatchObject({ __typename: 'Upload', name: 'список.csv', size: 5, receivedAt: null });
    expect(await app.events(school.id)).toMatchObject([{ type: 'upload.created' }]);
    expect((await send(app, by.token, made.url, hello)).status).toBe(201);
    expect(await codeOf(await send(app, by.token, made.url, hello))).toEqual([409, 'CONFLICT']);
    const { id } = await app.db.prisma.upload.findFirstOrThrow({ where: { schoolId: school.id } });
    expect(readdirSync(uploadFolder(app.config))).toContain(id);
  });

  it('creates a second upload for the same input', async () => {
    const { by, schoolId } = await scene();
    expect((await announce(by, schoolId)).id).not.toBe((await announce(by, schoolId)).id);
  });

  it('refuses sizes beyond 200 MB, and everyone but administrators and services with scope roster', async () => {
    const { school, by, schoolId } = await scene();
    for (const size of [-1, maxUploadBytes + 1])
      await expectRefusal(app, school.id, { code: 'INVALID', path: ['size'] }, () => announce(by, schoolId, size));
    const teacher = await app.build.teacher({ schoolId: school.id });
    await expectRefusal(app, school.id, { code: 'FORBIDDEN', clause: '2.1 f' }, () =>
      app.as(teacher).createUpload({ schoolId, name: 'a', size: 1 }),
    );
  });
});

describe('the uploads of a school', () => {
  it('are at most 20 that wait for their use', async () => {
    const { school, by, schoolId } = await scene();
    for (let n = 0; n < 20; n++) await announce(by, schoolId);
    await expectRefusal(app, school.id, { code: 'CONFLICT' }, () => announce(by, schoolId));
    const other = await scene();
    expect(await announce(other.by, other.schoolId)).toMatchObject({ __typename: 'Upload' });
    const { id } = await app.db.prisma.upload.findFirstOrThrow({ where: { schoolId: school.id } });
    await app.db.prisma.upload.delete({ where: { id } });
    expect(await announce(by, schoolId)).toMatchObject({ __typename: 'Upload' });
  });
});

describe('POST /uploads/<id>', () => {
  it('refuses more and fewer bytes than announced, and leaves no file behind', async () => {
    const { by, schoolId } = await scene();
    const made = await announce(by, schoolId);
    const files = readdirSync(uploadFolder(app.config)).length;
    expect(await codeOf(await send(app, by.token, made.url, Buffer.from('hello!')))).toEqual([413, 'BODY_TOO_LARGE']);
    expect(await codeOf(await send(app, by.token, made.url, Buffer.from('hell')))).toEqual([400, 'INVALID']);
    expect(readdirSync(uploadFolder(app.config))).toHaveLength(files);
    expect((await send(app, by.token, made.url, hello)).status).toBe(201);
  });

  it('takes bytes from the person who announced the file alone', async () => {
    const { school, by, schoolId } = await scene();
    const made = await announce(by, schoolId);
    const other = await senderOf(app, await app.build.user({ schoolId: school.id, role: 'PLATFORM_ADMINISTRATOR' }));
    expect(await codeOf(await send(app, other.token, made.url, hello))).toEqual([404, 'NOT_FOUND']);
    expect((await codeOf(await send(app, 'no-token', made.url, hello)))[0]).toBe(401);
    expect((await fetch(`${new URL(app.url).origin}${new URL(made.url).pathname}`)).status).toBe(405);
  });

  it('answers 404 for a path that holds no UUID', async () => {
    const { by } = await scene();
    for (const id of ['-'.repeat(36), 'f'.repeat(36), 'x'])
      expect((await send(app, by.token, `${new URL(app.url).origin}/uploads/${id}`, hello)).status, id).toBe(404);
  });

  it('keeps the bytes of the first of two requests at once', async () => {
    const { by, schoolId } = await scene();
    const made = await announce(by, schoolId);
    const answers = await Promise.all([hello, Buffer.from('HELLO')].map((bytes) => send(app, by.token, made.url, bytes)));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409]);
    const id = Buffer.from(made.id, 'base64').toString().split(':')[1]!;
    expect(readFileSync(join(uploadFolder(app.config), id), 'utf8')).toBe(answers[0]!.status === 201 ? 'hello' : 'HELLO');
  });

  it('takes 20 MB in less memory than that', async () => {
    const { by, schoolId } = await scene();
    const bytes = Buffer.alloc(20 * 1024 * 1024, 1);
    const made = await announce(by, schoolId, bytes.length);
    expect((await send(app, by.token, made.url, bytes)).status).toBe(201);
  });
});

describe('deleteOldUploads', () => {
  it('deletes what nobody used within a day, row and bytes', async () => {
    const { school, by, schoolId } = await scene();
    const made = await announce(by, schoolId);
    await send(app, by.token, made.url, hello);
    const upload = await app.db.prisma.upload.findFirstOrThrow({ where: { schoolId: school.id } });
    const file = join(uploadFolder(app.config), upload.id);
    const killed = join(uploadFolder(app.config), `${upload.id}.part`);
    writeFileSync(killed, '');
    const old = new Date(Date.now() - 2 * 86_400_000);
    for (const path of [file, killed]) utimesSync(path, old, old);
    await app.db.prisma.upload.update({ where: { id: upload.id }, data: { createdAt: old } });
    await deleteOldUploads(app.db, app.config);
    expect([existsSync(file), existsSync(killed)]).toEqual([false, false]);
    expect(await app.db.prisma.upload.count({ where: { id: upload.id } })).toBe(0);
  });
});
