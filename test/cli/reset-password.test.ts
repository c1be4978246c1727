import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createDataStore, type DataStore } from '../support/data-store.ts';
import { compile, type CompiledServer } from '../support/process.ts';

/** `npx sfera reset-password`: the operator gets a one-time link for an administrator who lost the password. */

let compiled: CompiledServer;
let store: DataStore;
beforeAll(async () => {
  compiled = compile();
  store = await createDataStore();
});
afterAll(async () => {
  compiled?.remove();
  await store?.remove();
});

const run = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [compiled.main.replace('main.js', 'cli.js'), ...args], {
    env: {
      PATH: process.env.PATH ?? '',
      SECRET_KEY: 'a secret of thirty-two bytes for tests',
      PUBLIC_URL: 'https://sfera.example',
      ...store.env,
    },
    encoding: 'utf8',
  });
  return { status, out: stdout, error: stderr.replace(/^oidc-provider WARNING.*\n/gm, '') };
};

it('prints a one-time link for the only administrator of a school, or for a sign-in name', async () => {
  const schoolId = /School (\S+) was created/.exec(run('create-school', '--name', 'Школа № 98').out)![1]!;
  expect(run('reset-password', '--school', schoolId)).toMatchObject({
    status: 1,
    out: '',
    error: '--school: This school has no administrator with a sign-in name: use invite-administrator.\n',
  });
  const names = { surname: 'Ёжиков', givenName: 'Лев', searchText: '', sortKey: '' };
  const grants = { create: { schoolId, role: 'PLATFORM_ADMINISTRATOR' as const } };
  const { id: userId } = await store.use((db) =>
    db.prisma.user.create({ data: { ...names, signInName: 'lev', passwordHash: 'x', grants } }),
  );
  const links: string[] = [];
  for (const args of [
    ['--school', schoolId],
    ['--login', 'LEV'],
  ]) {
    const { status, out, error } = run('reset-password', ...args);
    expect([status, error]).toEqual([0, '']);
    expect(out).toMatch(/^The former password of lev no longer works/);
    links.push(/https:\/\/sfera\.example\/reset\/[\w-]{43}$/m.exec(out)![0]);
  }
  expect(new Set(links).size).toBe(2);
  const [rows, user, events] = await store.use((db) =>
    Promise.all([
      db.prisma.passwordLink.findMany(),
      db.prisma.user.findUnique({ where: { id: userId } }),
      db.prisma.event.findMany({ where: { type: 'password.reset' } }),
    ]),
  );
  expect(rows).toMatchObject([{ userId, channel: 'HANDED_OVER' }]);
  expect(user!.passwordHash).toBeNull();
  expect(events.map(({ actor }) => actor)).toEqual(['operator', 'operator']);
});

it('says in one line what is wrong', () => {
  expect(run('reset-password')).toMatchObject({ status: 2, out: '', error: 'Give either --school or --login.\n' });
  expect(run('reset-password', '--school', 'x', '--login', 'lev').status).toBe(2);
  expect(run('reset-password', '--login', 'nobody')).toMatchObject({
    status: 1,
    out: '',
    error: '--login: There is no active user with this sign-in name.\n',
  });
  expect(run('help').out).toContain('reset-password');
  expect(run('reset-password', '--help').out).toContain('--login');
});
