import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import { ConfigError } from '../../../src/config.ts';
import { connect, type Database } from '../../../src/db/client.ts';
import { migrate } from '../../../src/db/migrate.ts';
import type { LockOptions } from '../../../src/db/embedded/folder-lock.ts';
import { ProtocolStream } from '../../../src/db/embedded/protocol-stream.ts';
import { createLogger } from '../../../src/logger.ts';
import { server } from '../../support/database.ts';
import { until } from '../../support/until.ts';

/** The database calls `run` as soon as its folder is locked, before it uses the folder. */
const locked = vi.hoisted(() => ({ run: undefined as ((options: LockOptions) => void) | undefined }));
vi.mock('../../../src/db/embedded/folder-lock.ts', async (original) => {
  const { lockFolder, ...others } = await original<typeof import('../../../src/db/embedded/folder-lock.ts')>();
  return {
    ...others,
    async lockFolder(dir: string, options: LockOptions) {
      const lock = await lockFolder(dir, options);
      locked.run?.(options);
      return lock;
    },
  };
});
afterEach(() => (locked.run = undefined));

const log = createLogger('silent');
/**
 * The command that starts a program in a PID namespace of its own, as in a container. `hasContainers` says whether this
 * machine allows it.
 */
const container = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child'];
const hasContainers = spawnSync(container[0]!, [...container.slice(1), 'true']).status === 0;
let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'sfera-'));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

const open = (template?: Uint8Array): Promise<Database> => connect({ dataDir, poolSize: 1, log, template });
const template = () => readFileSync(inject('template'));
/** Whether the lock of the folder was released. */
const isReleased = (): boolean => {
  const locks = join(dataDir, 'pg.lock');
  const last = Math.max(...readdirSync(locks).map(Number));
  return (JSON.parse(readFileSync(join(locks, String(last), 'owner'), 'utf8')) as { released: boolean }).released;
};
const writerProgram = ['--import', 'tsx', fileURLToPath(new URL('writer.ts', import.meta.url))];

describe.skipIf(server !== undefined)('the embedded database', () => {
  it('keeps written rows, and releases its folder when it is closed', async () => {
    const first = await open(template());
    await first.prisma.rateLimit.create({ data: { key: 'kept', count: 1, resetsAt: new Date() } });
    expect(isReleased()).toBe(false);
    await first.close();
    expect(isReleased()).toBe(true);
    const again = await open();
    expect(await again.prisma.rateLimit.count()).toBe(1);
    await again.close();
  });

  it('in memory starts from a template, independent of other databases', async () => {
    const [one, other] = await Promise.all([
      connect({ poolSize: 1, log, template: template() }),
      connect({ poolSize: 1, log, template: template() }),
    ]);
    await one.prisma.rateLimit.create({ data: { key: 'one', count: 1, resetsAt: new Date() } });
    expect([await one.prisma.rateLimit.count(), await other.prisma.rateLimit.count()]).toEqual([1, 0]);
    const copy = await connect({ poolSize: 1, log, template: await one.dump?.() });
    expect(await copy.prisma.rateLimit.count()).toBe(1);
    await Promise.all([one.close(), other.close(), copy.close()]);
  });

  it('keeps every acknowledged row when its process is killed', async () => {
    const writer = spawn(process.execPath, [...writerProgram, dataDir]);
    let acknowledged = 0;
    for await (const line of createInterface(writer.stdout)) {
      acknowledged = Number(line);
      if (acknowledged === 100) writer.kill('SIGKILL');
    }
    if (writer.exitCode === null && writer.signalCode === null) await once(writer, 'exit');
    expect(writer.signalCode).toBe('SIGKILL');
    expect(isReleased()).toBe(false);
    const database = await open();
    await migrate(database, log);
    expect(await database.prisma.rateLimit.count({ where: { count: { lte: acknowledged } } })).toBe(acknowledged);
    await database.close();
  });

  it('is opened by one process at a time', async () => {
    const writer = spawn(process.execPath, [...writerProgram, dataDir]);
    await once(writer.stdout, 'data');
    const refused: unknown = await open().catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(ConfigError);
    expect(String(refused)).toContain(dataDir);
    expect(String(refused)).toContain(String(writer.pid));
    writer.kill('SIGKILL');
    await once(writer, 'exit');
  });

  it.runIf(hasContainers)('keeps every acknowledged row when another container starts on its folder', async () => {
    const [first, second] = [0, 1].map(() => spawn(container[0]!, [...container.slice(1), process.execPath, ...writerProgram, dataDir]));
    const acknowledged = [0, 0];
    const refusals: string[] = [];
    for (const [n, each] of [first!, second!].entries()) {
      createInterface(each.stdout).on('line', (line) => (acknowledged[n] = Number(line)));
      createInterface(each.stderr).on('line', (line) => refusals.push(line));
    }
    await until(() => expect(Math.max(...acknowledged)).toBeGreaterThan(30));
    await until(() => expect(refusals.join()).toContain(`The folder ${dataDir} is in use by another process`));
    for (const each of [first!, second!]) each.kill('SIGKILL');
    for (const each of [first!, second!]) if (each.exitCode === null && each.signalCode === null) await once(each, 'exit');
    expect(Math.min(...acknowledged)).toBe(0);
    const database = await open();
    expect(await database.prisma.rateLimit.count({ where: { count: { lte: Math.max(...acknowledged) } } })).toBe(Math.max(...acknowledged));
    await database.close();
  });

  it('stops when its folder is replaced, and says so', async () => {
    const database = await open(template());
    const moved = `${dataDir}-moved`;
    renameSync(dataDir, moved);
    mkdirSync(dataDir);
    expect(String(await database.failed)).toContain(`The folder ${dataDir} was replaced`);
    await expect(database.pool.query('select 1')).rejects.toThrow(dataDir);
    await database.close();
    expect(readdirSync(dataDir)).toEqual([]);
    rmSync(moved, { recursive: true, force: true });
  });

  it('is opened once in a process', async () => {
    const first = await open(template());
    await expect(open()).rejects.toThrow(ConfigError);
    await first.close();
  });

  it.each([
    ['a dead process', '4194304 1'],
    ['one whose number another process has now', `${process.ppid} 1`],
    ['one that had our number', `${process.pid} 1`],
    ['nobody, being cut short', ''],
  ])('takes over the lock of %s', async (_whose, text) => {
    writeFileSync(join(dataDir, 'pg.lock'), text);
    await (await open(template())).close();
    expect(isReleased()).toBe(true);
  });

  it('starts again after an interrupted start', async () => {
    mkdirSync(join(dataDir, 'pg.new'));
    writeFileSync(join(dataDir, 'pg.new', 'PG_VERSION'), '18');
    const database = await open(template());
    expect(await database.prisma.school.count()).toBe(0);
    await database.close();
  });

  it('names its folder if it cannot be read, and releases it', async () => {
    mkdirSync(join(dataDir, 'pg'));
    writeFileSync(join(dataDir, 'pg', 'PG_VERSION'), '9.0');
    const refused: unknown = await open().catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(ConfigError);
    expect(String(refused)).toContain(dataDir);
    expect(isReleased()).toBe(true);
  });

  it('says why it cannot be opened when its lock cannot be released either', async () => {
    mkdirSync(join(dataDir, 'pg'));
    writeFileSync(join(dataDir, 'pg', 'PG_VERSION'), '9.0');
    const owner = join(dataDir, 'pg.lock', '1', 'owner');
    locked.run = () => {
      rmSync(owner);
      mkdirSync(owner);
    };
    const warnings: string[] = [];
    const telling = createLogger('warn', { write: (text) => void warnings.push((JSON.parse(text) as { msg: string }).msg) });
    await expect(connect({ dataDir, poolSize: 1, log: telling })).rejects.toThrow(/cannot be opened: it is damaged, or of another version/);
    expect(warnings).toEqual([expect.stringContaining('could not be released')]);
  });

  it('does not start and writes nothing if its folder was lost before', async () => {
    locked.run = ({ onLost }) => onLost(new ConfigError('The folder was lost.'));
    await expect(open(template())).rejects.toThrow('The folder was lost.');
    expect(readdirSync(dataDir)).toEqual(['pg.lock']);
  });

  it('does not start if its folder is lost during the start', async () => {
    locked.run = ({ onLost }) => void setImmediate(() => onLost(new ConfigError('The folder was lost.')));
    await expect(open(template())).rejects.toThrow('The folder was lost.');
    expect(readdirSync(dataDir)).not.toContain('pg');
  });

  it('gives a new connection a clean session', async () => {
    const database = await connect({ poolSize: 1, log, template: template() });
    const client = await database.pool.connect();
    await client.query('begin');
    await client.query(`insert into rate_limit values ('open', 1, now())`);
    await client.query(`set search_path = pg_catalog`);
    client.release(true);
    expect(await database.prisma.rateLimit.count()).toBe(0);
    expect((await database.pool.query('show search_path')).rows).toEqual([{ search_path: 'public' }]);
    await database.close();
  });

  it('responds after an error', async () => {
    const database = await connect({ poolSize: 1, log, template: template() });
    await expect(database.pool.query('select $1::int / 0', [1])).rejects.toMatchObject({ code: '22012' });
    await expect(database.pool.query('selec')).rejects.toMatchObject({ code: '42601' });
    expect((await database.pool.query<{ one: number }>('select 1 as one')).rows).toEqual([{ one: 1 }]);
    await database.close();
  });

  it('transfers megabytes', async () => {
    const database = await connect({ poolSize: 1, log, template: template() });
    const long = 'ж'.repeat(3_000_000);
    const { rows } = await database.pool.query<{ long: string }>('select $1::text as long', [long]);
    expect(rows[0]?.long === long).toBe(true);
    await database.close();
  });
});

describe('ProtocolStream', () => {
  const message = (type: string, body: Uint8Array): Buffer => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(4 + body.length);
    return Buffer.concat([Buffer.from(type), length, body]);
  };
  const body = fc.uint8Array({ maxLength: 20 });

  it('passes on complete protocol cycles for any split of the bytes', () => {
    const turn = fc
      .tuple(fc.array(fc.tuple(fc.constantFrom('P', 'B', 'D', 'E', 'C'), body)), fc.tuple(fc.constantFrom('S', 'Q'), body))
      .map(([steps, last]) => Buffer.concat([...steps, last].map(([type, bytes]) => message(type, bytes))));
    const property = fc.property(body, fc.array(turn), fc.infiniteStream(fc.integer({ min: 1, max: 30 })), (startup, turns, cuts) => {
      const sent: Uint8Array[] = [];
      const stream = new ProtocolStream((bytes) => sent.push(bytes));
      const first = message('', startup);
      const all = Buffer.concat([first, ...turns]);
      for (let at = 0; at < all.length;) {
        const size = cuts.next().value;
        stream.write(all.subarray(at, at + size));
        at += size;
      }
      expect(Buffer.concat(sent)).toEqual(all);
      const ends = new Set(
        [first, ...turns].map(
          (
            (sum) => (part: Buffer) =>
              (sum += part.length)
          )(0),
        ),
      );
      let end = 0;
      for (const part of sent) expect(ends).toContain((end += part.length));
    });
    fc.assert(property);
  });
});
