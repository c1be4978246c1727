import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { connect } from '../src/db/client.ts';
import { createLogger } from '../src/logger.ts';
import { server } from './support/database.ts';
import { compile, startServer, type CompiledServer } from './support/process.ts';
import { createDatabase, dropDatabase } from './support/server.ts';
import { freePort } from './support/sfera.ts';

/** `npx sfera` and `npm start` in wrong environments and with mistyped arguments. */

let compiled: CompiledServer;
let root: string;
beforeAll(() => {
  compiled = compile();
  root = mkdtempSync(join(tmpdir(), 'sfera-'));
});
afterAll(() => {
  compiled?.remove();
  rmSync(root, { recursive: true, force: true });
});

interface Outcome {
  code: number | null;
  out: string;
  error: string;
}

/** Removes the notice that oidc-provider prints on Node 20. */
const withoutNotice = (text: string): string =>
  text
    .split('\n')
    .filter((line) => !line.startsWith('oidc-provider WARNING'))
    .join('\n');

async function run(command: string, args: string[], env: Record<string, string>): Promise<Outcome> {
  const child = spawn(command, args, { cwd: root, env: { PATH: process.env.PATH ?? '', ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  const [out, error] = await Promise.all(
    [child.stdout, child.stderr].map(async (stream) => {
      let text = '';
      for await (const part of stream) text += String(part);
      return text;
    }),
  );
  const code = child.exitCode ?? (await new Promise<number | null>((resolve) => child.once('close', resolve)));
  return { code, out: withoutNotice(out!), error: withoutNotice(error!) };
}
const runMain = (env: Record<string, string>) => run(process.execPath, [compiled.main], { LOG_LEVEL: 'silent', ...env });
const runCli = (args: string[], env: Record<string, string> = {}) =>
  run(process.execPath, [compiled.main.replace('main.js', 'cli.js'), ...args], env);

const secret = { SECRET_KEY: 'a secret of thirty-two bytes for tests' };

describe('a start in a wrong environment', () => {
  it.each<[name: string, expected: RegExp, env: () => Record<string, string>]>([
    ['an empty METRICS_TOKEN', /^METRICS_TOKEN is empty/, () => ({ METRICS_TOKEN: '' })],
    ['a misspelt DATABASE_URL', /did you mean DATABASE_URL/, () => ({ DATABSE_URL: 'postgres://u:geheim@h/db' })],
    ['DEMO with a server', /^DEMO must be false/, () => ({ DEMO: 'true', DATABASE_URL: 'postgres://u:geheim@h/db' })],
    ['WORKERS without a server', /^WORKERS must be 1/, () => ({ WORKERS: '2' })],
    ['a PORT out of range', /^PORT must be/, () => ({ PORT: '70000' })],
    ['a PUBLIC_URL with a path', /^PUBLIC_URL must be/, () => ({ PUBLIC_URL: 'https://a.example/x' })],
    ['a short SECRET_KEY', /^SECRET_KEY must be/, () => ({ SECRET_KEY: 'short' })],
    ['TRUSTED_ISSUERS that is no JSON', /^TRUSTED_ISSUERS must be/, () => ({ TRUSTED_ISSUERS: '{' })],
    ['a LOG_LEVEL of another program', /^LOG_LEVEL must be/, () => ({ LOG_LEVEL: 'warning' })],
    ['a DATA_DIR that is a file', /there is a file of this name/, () => ({ DATA_DIR: '/dev/null' })],
    ['a DATA_DIR below a file', /a part of its path is a file/, () => ({ DATA_DIR: '/dev/null/x', ...secret })],
    ['a DATA_DIR that cannot be created', /\(DATA_DIR\) cannot be used/, () => ({ DATA_DIR: '/proc/x' })],
    ['a DATABASE_URL of another system', /^DATABASE_URL must be a URL of the form/, () => ({ DATABASE_URL: 'mysql://u:geheim@h/db' })],
    ['a DATABASE_URL with several hosts', /names several hosts/, () => ({ DATABASE_URL: 'postgres://u:geheim@a,b/db' })],
    ['a DATABASE_URL with a schema', /has schema=x/, () => ({ DATABASE_URL: 'postgres://u:geheim@h/db?schema=x' })],
    [
      'a database that is not there, with workers',
      /nothing listens there/,
      () => ({ DATABASE_URL: 'postgres://u:geheim@127.0.0.1:1/db', WORKERS: '2' }),
    ],
    [
      'a database that is damaged',
      /is damaged, or of another version/,
      () => {
        const dir = mkdtempSync(join(root, 'data-'));
        mkdirSync(join(dir, 'pg'));
        writeFileSync(join(dir, 'pg', 'PG_VERSION'), '9.0');
        return { DATA_DIR: dir };
      },
    ],
  ])('ends in one line: %s', async (_name, expected, env) => {
    const { code, out, error } = await runMain({
      PORT: '0',
      PUBLIC_URL: 'http://localhost:1',
      ...(Object.hasOwn(env(), 'DATABASE_URL') ? secret : {}),
      ...env(),
    });
    expect(error).toMatch(/^[^\n]+\n$/);
    expect(error).toMatch(expected);
    expect(out + error).not.toContain('geheim');
    expect(code).toBe(1);
  });

  it.runIf(process.getuid?.() === 0 && process.platform === 'linux')(
    'ends in one line: a full disk, and one that is read-only',
    async () => {
      for (const [options, expected] of [
        ['size=12m', /the disk is full/],
        ['size=64k', /the disk is full/],
        ['ro', /the file system is read-only/],
      ] as const) {
        const disk = mkdtempSync(join(root, 'disk-'));
        // Ends the test if mounting fails: root may lack the permission, for example in a container.
        if (spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', disk]).status !== 0) return;
        try {
          const { code, error } = await runMain({ PORT: '0', PUBLIC_URL: 'http://localhost:1', DATA_DIR: join(disk, 'data') });
          expect(error).toMatch(/^[^\n]+\n$/);
          expect(error).toMatch(expected);
          expect(code).toBe(1);
        } finally {
          spawnSync('umount', [disk]);
        }
      }
    },
  );
});

describe('a data store in use', () => {
  const log = createLogger('silent');
  let env: Record<string, string>;
  let remove = async (): Promise<void> => {};
  beforeAll(async () => {
    if (server === undefined) {
      const dataDir = join(root, 'store');
      await (await connect({ poolSize: 1, dataDir, log, template: readFileSync(inject('template')) })).close();
      env = { DATA_DIR: dataDir, ...secret };
    } else {
      const made = await createDatabase(server, inject('template'));
      remove = () => dropDatabase(server!, made.name);
      env = { DATABASE_URL: made.url, ...secret };
    }
  });
  afterAll(() => remove());

  const refuses = async (args: string[], expected: RegExp | string, code = 1, more: Record<string, string> = {}): Promise<void> => {
    const outcome = await runCli(args, { ...env, ...more });
    expect(outcome.error).toMatch(/^[^\n]+\n$/);
    expect(outcome.error).toMatch(expected);
    expect(outcome.error).not.toMatch(/signInName|timeZone|fullName|schoolId|clientId|redirectUris|scopes:/);
    expect(outcome).toMatchObject({ code, out: '' });
  };

  it('answers a typing error with a suggestion, before it opens a database', async () => {
    const nowhere = { DATABASE_URL: 'postgres://u@127.0.0.1:1/db' };
    const slips: [string[], RegExp][] = [
      [['creat-school', '--name', 'x'], /^There is no command creat-school\. Did you mean create-school\?$/m],
      [['help', 'schols'], /Did you mean schools\?/],
      [['constructor'], /^There is no command constructor\. See: npx sfera help$/m],
      [['create-school', '--nmae', 'x'], /^There is no option --nmae\. Did you mean --name\?$/m],
      [['create-school', '--name', 'x', '--timezone', 'x'], /Did you mean --time-zone\?/],
      [['create-school', '-n', 'x'], /^There is no option -n\. See: npx sfera create-school --help$/m],
      [['create-school'], /^--name is required/],
      [['create-school', '--name'], /^--name needs a value/],
      [['create-school', '--name', '--region', 'x'], /^--name needs a value/],
      [['create-school', '--name', '-x'], /^--name needs a value/],
      [['create-school', '--name', 'a', '--name', 'b'], /^--name is given more than once/],
      [['create-school', '--name', 'Школа', '№', '98'], /^«№» belongs to no option/],
      [['create-school', '--name', 'x', '--yes=no'], /^--yes takes no value/],
    ];
    for (const [args, expected] of slips) await refuses(args, expected, 2, nowhere);
  });

  it('names the option of a refused value', async () => {
    await refuses(['create-school', '--name', 'x', '--time-zone', 'Mars/X'], /^--time-zone: /);
    await refuses(['create-school', '--name', 'x', '--full-name', ''], /^--full-name: /);
    await refuses(['create-frontend', '--name', 'x', '--redirect-uri', 'ftp://x'], /^--redirect-uri: /);
    await refuses(['create-service', '--name', 'x', '--school', '5', '--scope', 'read'], /^--school: An id such as/);
    await refuses(
      ['create-service', '--name', 'x', '--school', '01900000-0000-7000-8000-000000000000', '--scope', 'raed'],
      /^--scope: Give scopes of this list/,
    );
    await refuses(['end-client', '--client', 'x'], /^--client: /);
  });

  it('asks for confirmation before it creates a second school with the same name and region', async () => {
    const create = (...more: string[]) => ['create-school', '--name', 'Школа № 98', '--region', 'Санкт-Петербург', ...more];
    const first = await runCli(create(), env);
    expect(first).toMatchObject({ code: 0, error: '' });
    const id = /School (\S+) was created/.exec(first.out)![1]!;
    await refuses(
      ['create-school', '--name', 'школа №  98', '--region', 'САНКТ-ПЕТЕРБУРГ'],
      new RegExp(`^A school of this name and region exists \\(${id}\\)\\. Nothing was done: .*--yes`),
      2,
    );
    expect((await runCli(['create-school', '--name', 'Школа № 98', '--region', 'Омск'], env)).code).toBe(0);
    expect((await runCli(create('--yes'), env)).code).toBe(0);
    const schools = async () => (await runCli(['schools'], env)).out.trim().split('\n').length;
    expect(await schools()).toBe(3);
    if (spawnSync('script', ['--version']).status !== 0) return;
    const command = [process.execPath, compiled.main.replace('main.js', 'cli.js'), ...create()].map((word) => `'${word}'`).join(' ');
    for (const [answer, count] of [
      ['n', 3],
      ['y', 4],
    ] as const) {
      const { stdout } = spawnSync('script', ['-qec', command, '/dev/null'], {
        env: { PATH: process.env.PATH ?? '', ...env },
        input: `${answer}\n`,
        encoding: 'utf8',
      });
      expect(stdout).toContain('Set up a second one? [y/N]');
      expect(await schools()).toBe(count);
    }
  });

  it('binds only identities of trusted issuers', async () => {
    const issuers = {
      TRUSTED_ISSUERS: JSON.stringify([{ issuer: 'https://id.example', audience: 'sfera', jwksUri: 'https://id.example/keys' }]),
    };
    await refuses(['bind-identity', '--user', 'nobody', '--issuer', 'https://id.example', '--subject', 's'], /^--user: /, 1, issuers);
    const db = await connect({
      poolSize: 2,
      log,
      ...(server === undefined ? { dataDir: env.DATA_DIR } : { databaseUrl: env.DATABASE_URL }),
    });
    await db.pool.query(
      `insert into app_user (id, surname, given_name, sign_in_name, search_text, sort_key, updated_at) values (gen_random_uuid(), 'Ёжиков', 'Лев', 'lev', '', '', now())`,
    );
    await db.close();
    const bind = (issuer: string) => ['bind-identity', '--user', 'lev', '--issuer', issuer, '--subject', 's'];
    await refuses(bind('https://id.example/'), /^--issuer: This issuer is not in TRUSTED_ISSUERS/, 1, issuers);
    await refuses(bind('https://id.example'), /^--issuer: This issuer is not in TRUSTED_ISSUERS/);
    expect(await runCli(bind('https://id.example'), { ...env, ...issuers })).toMatchObject({ code: 0, error: '' });
  });

  it.each<[name: string, expected: RegExp, env: () => Record<string, string>]>([
    ['HOST that is no address', /^HOST=999\.1\.1\.1 is neither a known host name/, () => ({ HOST: '999.1.1.1' })],
    ['HOST of another machine', /^HOST=192\.0\.2\.1 is not an address of this machine/, () => ({ HOST: '192.0.2.1' })],
    ['another SECRET_KEY', /^SECRET_KEY is not the one/, () => ({ SECRET_KEY: 'another secret of thirty-two bytes' })],
  ])('ends the start in one line: %s', async (name, expected, wrong) => {
    if (name === 'another SECRET_KEY') await runCli(['migrate'], env);
    const { code, error } = await runMain({ PORT: '0', PUBLIC_URL: 'http://localhost:1', DEMO: 'false', ...env, ...wrong() });
    expect(error).toMatch(/^[^\n]+\n$/);
    expect(error).toMatch(expected);
    expect(code).toBe(1);
  });

  it('ends the start in one line: a PORT in use', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as AddressInfo;
    try {
      const { code, error } = await runMain({ HOST: '127.0.0.1', PORT: String(port), DEMO: 'false', ...env });
      expect(error).toBe(`Port ${port} is in use by another program: choose another with PORT.\n`);
      expect(code).toBe(1);
    } finally {
      taken.close();
    }
  });

  it.runIf(server === undefined)('ends with a fatal line when its folder is replaced', async () => {
    const dataDir = join(root, 'replaced');
    await (await connect({ poolSize: 1, dataDir, log, template: readFileSync(inject('template')) })).close();
    const child = startServer(compiled, await freePort(), { DATA_DIR: dataDir, ...secret });
    await child.ready();
    renameSync(dataDir, `${dataDir}-moved`);
    mkdirSync(dataDir);
    expect(await child.ended).toBe(1);
    expect(child.output()).toMatch(/"level":60,.*The folder [^"]*replaced was replaced, so this process stops using it/);
  });
});
