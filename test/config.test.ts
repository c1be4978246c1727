import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConfigError, readConfig } from '../src/config.ts';

const key = { SECRET_KEY: 'a secret of thirty-two bytes for tests' };
const onServer = { ...key, DATABASE_URL: 'postgres://u@h/db' };

describe('the settings', () => {
  it.each([
    ['METRICS_TOKEN', '', /^METRICS_TOKEN is empty/],
    ['DATABASE_URL', '', /^DATABASE_URL is empty/],
    ['DATA_DIR', '', /^DATA_DIR is empty/],
    ['HOST', '127.0.0.1 ', /^HOST starts or ends with a space/],
    ['DATA_DIR', ' /var/lib/sfera', /^DATA_DIR starts or ends with a space/],
    ['METRICS_TOKEN', 'a token of a scraper\n', /^METRICS_TOKEN starts or ends with a space or a line break/],
    ['LOG_LEVEL', 'info\r', /^LOG_LEVEL starts or ends/],
    ['DATABSE_URL', 'postgres://u:geheim@h/db', /^DATABSE_URL is not a setting: did you mean DATABASE_URL\?$/],
    ['DATABASE_URI', 'postgres://u:geheim@h/db', /did you mean DATABASE_URL/],
    ['database_url', 'postgres://u:geheim@h/db', /did you mean DATABASE_URL/],
    ['SFERA_DATA_DIR', '/x', /did you mean DATA_DIR/],
    ['METRIC_TOKEN', 'x', /did you mean METRICS_TOKEN/],
    ['ALLOWED_ORIGINS', 'https://a.example/path', /^ALLOWED_ORIGINS must be origins without a path/],
    ['TRUSTED_ISSUERS', '[{"issuer":"","audience":"a","jwksUri":"https://a"}]', /^TRUSTED_ISSUERS must be/],
  ])('%s=%j is refused', (name, value, expected) => {
    const read = () => readConfig({ ...key, [name]: value });
    expect(read).toThrow(ConfigError);
    expect(read).toThrow(expected);
    expect(read).not.toThrow(/geheim|\n/);
  });

  it('a misspelt or empty SECRET_KEY is refused before a secret is created', () => {
    const dir = join(mkdtempSync(join(tmpdir(), 'sfera-')), 'data');
    for (const env of [{ SECRETKEY: key.SECRET_KEY }, { SECRET_KEY: '' }, { SFERA_SECRET_KEY: key.SECRET_KEY }])
      expect(() => readConfig({ DATA_DIR: dir, ...env })).toThrow(/^(SECRET_KEY is empty|\w+ is not a setting: did you mean SECRET_KEY\?)/);
    expect(existsSync(dir)).toBe(false);
  });

  it('DEMO=true is refused with a server', () => {
    expect(() => readConfig({ ...onServer, DEMO: 'true' })).toThrow(/^DEMO must be false with DATABASE_URL/);
    expect(readConfig(onServer).demo).toBe(false);
  });

  it.each([
    [{ ...key, PORT: '' }, 'PORT is empty and counts as not set.'],
    [{ ...key, WORKRES: '2' }, 'WORKRES is not a setting: did you mean WORKERS?'],
    [{ ...key, SFERA_PORT: '80' }, 'SFERA_PORT is not a setting: did you mean PORT?'],
    [{ ...key, SFERA_COLOUR: 'red' }, 'SFERA_COLOUR is not a setting.'],
    [{ ...key, log_level: 'debug' }, 'log_level is not a setting: did you mean LOG_LEVEL?'],
    [{ ...key, DATABASE_POOL: '5' }, 'DATABASE_POOL has no effect without DATABASE_URL.'],
    [{ ...onServer, DATA_DIR: '/x' }, 'DATA_DIR has no effect with DATABASE_URL and SECRET_KEY.'],
    [
      { SECRET_KEY: `${key.SECRET_KEY}\n` },
      'SECRET_KEY starts or ends with a space or a line break, which belongs to the key: every process needs the same one.',
    ],
  ])('%j are warned of', (env, warning) => {
    expect(readConfig(env as Record<string, string>).warnings).toEqual([warning]);
  });

  it('does not warn of variables of other programs, empty lists and correct settings', () => {
    const others = {
      PATH: '/bin',
      HOSTNAME: 'x',
      PORTS: '1',
      NODE_ENV: 'production',
      HOME: '/',
      PGHOST: 'h',
      DATABASE: 'x',
      LOGNAME: 'x',
      XDG_DATA_DIRS: '/x',
      ALLOWED_ORIGINS: '',
      TRUSTED_ISSUERS: '',
    };
    expect(readConfig({ ...onServer, ...others }).warnings).toEqual([]);
  });
});

describe.each([
  ['EXECUTOR', 'executor', ['plans', 'graphql-js']],
  ['ROWS', 'rows', ['views', 'objects']],
] as const)('%s', (name, property, values) => {
  it(`is ${values[0]} by default`, () => {
    expect(readConfig(onServer)[property]).toBe(values[0]);
    expect(readConfig({ ...onServer, [name]: '' })[property]).toBe(values[0]);
  });

  it.each(values)('may be %s', (value) => {
    expect(readConfig({ ...onServer, [name]: value })[property]).toBe(value);
  });

  it.each([values[0].toUpperCase(), 'graphql', 'true', `${values[1]},`])('stops the start with the allowed values if it is %s', (value) => {
    expect(() => readConfig({ ...onServer, [name]: value })).toThrow(`${name} must be one of ${values.join(', ')}.`);
  });
});

describe('the secret of a data folder', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'sfera-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  it('is the same for all processes that start together', async () => {
    const config = fileURLToPath(new URL('../src/config.ts', import.meta.url));
    const program = `const { readConfig } = await import(${JSON.stringify(config)}); process.stdout.write('loaded\\n'); await new Promise((go) => process.stdin.once('data', go)); process.stdout.write(readConfig({ DATA_DIR: ${JSON.stringify(dir)} }).secretKey.toString('hex') + '\\n'); process.exit();`;
    const racers = Array.from({ length: 8 }, () => {
      const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      let said = '';
      child.stdout.on('data', (part: Buffer) => (said += part.toString()));
      return { child, said: () => said, loaded: once(child.stdout, 'data'), ended: once(child, 'close') };
    });
    await Promise.all(racers.map(({ loaded }) => loaded));
    for (const { child } of racers) child.stdin.write('go\n');
    await Promise.all(racers.map(({ ended }) => ended));
    const secrets = racers.map(({ said }) => said().split('\n')[1]);
    expect(secrets[0]).toMatch(/^[0-9a-f]{88}$/);
    expect(new Set(secrets).size).toBe(1);
    expect(readdirSync(dir)).toEqual(['secret']);
    expect(secrets[0]).toBe(readFileSync(join(dir, 'secret')).toString('hex'));
  });

  it('is refused if it is truncated', () => {
    writeFileSync(join(dir, 'secret'), '');
    expect(() => readConfig({ DATA_DIR: dir })).toThrow(/^The secret in [^\n]*secret is cut short/);
  });

  it('is refused in one line if the folder cannot be used', () => {
    writeFileSync(join(dir, 'file'), '');
    mkdirSync(join(dir, 'folder', 'secret'), { recursive: true });
    for (const [path, reason] of [
      ['file', 'there is a file'],
      ['file/x', 'a part of its path is a file'],
      ['folder', 'there is a folder in place of a file'],
      ['x'.repeat(300), 'its path is too long'],
    ] as const)
      expect(() => readConfig({ DATA_DIR: join(dir, path) })).toThrow(
        new RegExp(`^The folder [^\\n]* \\(DATA_DIR\\) cannot be used: ${reason}`),
      );
    if (existsSync('/proc/self'))
      expect(() => readConfig({ DATA_DIR: '/proc/x/y' })).toThrow(/^The folder \/proc\/x\/y \(DATA_DIR\) cannot be used/);
  });
});
