import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { lockFolder } from '../../../src/db/embedded/folder-lock.ts';
import { deviceOf, leaseMs, listen, machineId } from '../../../src/db/embedded/lock-owner.ts';
import { until } from '../../support/until.ts';

/** Locks on one folder, held by child processes. */

/** `run` is called after each read of the lock folder in this process. */
const read = vi.hoisted(() => ({ run: undefined as ((folder: string) => void) | undefined }));
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  const readdirSync = (folder: string) => {
    const names = fs.readdirSync(folder);
    read.run?.(folder);
    return names;
  };
  return { ...fs, readdirSync };
});

const program = fileURLToPath(new URL('folder-holder.ts', import.meta.url));
/**
 * The command that starts a program in a PID namespace of its own, as in a container. `hasContainers` says whether this
 * machine allows it.
 */
const container = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child'];
const hasContainers = spawnSync(container[0]!, [...container.slice(1), 'true']).status === 0;
/**
 * Returns the command that mounts an overlay of `lower` and `upper` at `merged`. `hasOverlays` says whether this
 * machine allows it.
 */
const overlay = (base: string) => [
  'unshare',
  '--mount',
  'sh',
  '-c',
  `mount -t overlay overlay -o lowerdir=${base}/lower,upperdir=${base}/upper,workdir=${base}/work ${base}/merged && exec "$@"`,
  'sh',
];
const hasOverlays = (() => {
  if (process.platform !== 'linux') return false;
  const base = mkdtempSync('/dev/shm/sfera-');
  for (const name of ['lower', 'upper', 'work', 'merged']) mkdirSync(join(base, name));
  const [command = '', ...args] = overlay(base);
  const { status } = spawnSync(command, [...args, 'true']);
  rmSync(base, { recursive: true, force: true });
  return status === 0;
})();

let dir: string;
const running: Holder[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sfera-'));
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((holder) => holder.kill()));
  rmSync(dir, { recursive: true, force: true });
});

class Holder {
  readonly lines: string[] = [];
  readonly #child;
  readonly #ended: Promise<void>;

  constructor({ folder = dir, machine = '-', within = [] as readonly string[] } = {}) {
    const [command = '', ...args] = [...within, process.execPath, '--import', 'tsx', program, folder, machine];
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    createInterface(this.#child.stdout).on('line', (line) => this.lines.push(line));
    this.#ended = new Promise((resolve) => this.#child.once('close', () => resolve()));
    // Ignores the errors of writing to a killed process.
    this.#child.stdin.on('error', () => {});
    running.push(this);
  }

  get pid(): number {
    return this.#child.pid!;
  }

  tell(line: 'lock' | 'release'): void {
    this.#child.stdin.write(`${line}\n`);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async says(start: string): Promise<string> {
    return until(() => {
      const found = this.lines.find((line) => line.startsWith(start));
      if (found === undefined) throw new Error(`it did not say «${start}» but: ${this.lines.join('\n')}`);
      return found;
    });
  }

  /** Requests the lock; returns `held` or the error message. */
  async lock(): Promise<string> {
    await this.says('loaded');
    const before = this.lines.length;
    this.tell('lock');
    return until(() => {
      const found = this.lines.slice(before).find((line) => line === 'held' || line.startsWith('refused'));
      if (found === undefined) throw new Error(`no answer but: ${this.lines.join('\n')}`);
      return found;
    });
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }
}

const number = () =>
  Math.max(
    ...readdirSync(join(dir, 'pg.lock'))
      .filter((name) => /^\d+$/.test(name))
      .map(Number),
  );

const ownerFile = () => join(dir, 'pg.lock', String(number()), 'owner');
const changeOwner = (change: (text: string) => string) => writeFileSync(ownerFile(), change(readFileSync(ownerFile(), 'utf8')));

describe('a locked folder', () => {
  it('refuses a second process, names the first one and the folder, and is free after release', async () => {
    const [first, second] = [new Holder(), new Holder()];
    expect(await first.lock()).toBe('held');
    const refusal = await second.lock();
    expect(refusal).toContain(dir);
    expect(refusal).toContain(`(${first.pid} on `);
    first.tell('release');
    await first.says('released');
    expect(await second.lock()).toBe('held');
    expect(await first.lock()).toMatch(/^refused/);
  });

  it.runIf(hasContainers)('refuses a process of another container with its own PID and network namespaces', async () => {
    const [first, second, outside] = [
      new Holder({ within: container }),
      new Holder({ within: [...container, '--net', '--mount'] }),
      new Holder(),
    ];
    expect(await first.lock()).toBe('held');
    expect(await second.lock()).toMatch(/^refused/);
    expect(await outside.lock()).toMatch(/^refused/);
  });

  it('refuses while a lock names a PID that does not exist', async () => {
    const [first, second] = [new Holder(), new Holder()];
    expect(await first.lock()).toBe('held');
    const owner = join(dir, 'pg.lock', String(number()), 'owner');
    writeFileSync(owner, readFileSync(owner, 'utf8').replace(/"pid":\d+/, '"pid":4194304'));
    expect(await second.lock()).toMatch(/^refused/);
  });

  it('is taken over at once after SIGKILL', async () => {
    const [first, second] = [new Holder(), new Holder()];
    expect(await first.lock()).toBe('held');
    await second.says('loaded');
    first.signal('SIGKILL');
    expect(await second.lock()).toBe('held');
    expect(second.lines).toEqual(['loaded', 'held']);
  });

  it('stays with a stopped process, also when its connection queue is full', async () => {
    const [first, second] = [new Holder(), new Holder()];
    expect(await first.lock()).toBe('held');
    first.signal('SIGSTOP');
    expect(await second.lock()).toMatch(/^refused/);
    const waiting: Socket[] = [];
    const refused = new Set<string>();
    for (let n = 0; n < 600; n += 1)
      waiting.push(
        connect(join(dir, 'pg.lock', String(number()), 'socket')).on('error', ({ code }: NodeJS.ErrnoException) => refused.add(code!)),
      );
    await until(() => expect([...refused]).toEqual(['EAGAIN']));
    expect(await second.lock()).toMatch(/^refused/);
    for (const socket of waiting) socket.destroy();
    first.signal('SIGCONT');
    expect(await second.lock()).toMatch(/^refused/);
    expect(first.lines).toEqual(['loaded', 'held']);
  });

  it.each(['nobody', 'a dead process', 'a dead process of a former version'])(
    'goes to exactly one of twenty processes that race to succeed %s',
    async (whom) => {
      if (whom === 'a dead process') {
        const dead = new Holder();
        expect(await dead.lock()).toBe('held');
        await dead.kill();
      } else if (whom !== 'nobody') writeFileSync(join(dir, 'pg.lock'), '4194304 1');
      const racers = Array.from({ length: 20 }, () => new Holder());
      for (const racer of racers) await until(() => expect(racer.lines).toEqual(['loaded']));
      const answers = await Promise.all(racers.map((racer) => racer.lock()));
      expect(answers.filter((answer) => answer === 'held')).toHaveLength(1);
      expect(answers.filter((answer) => answer.includes('is in use by another process'))).toHaveLength(19);
      expect(racers.flatMap(({ lines }) => lines.filter((line) => line.startsWith('lost')))).toEqual([]);
    },
  );

  it('works under a path longer than a socket may have', async () => {
    const folder = join(dir, 'д'.repeat(100), 'э'.repeat(100));
    mkdirSync(folder, { recursive: true });
    const [first, second] = [new Holder({ folder }), new Holder({ folder })];
    expect(await first.lock()).toBe('held');
    expect(await second.lock()).toMatch(/^refused/);
    await first.kill();
    expect(await second.lock()).toBe('held');
    expect(second.lines.filter((line) => line.startsWith('waiting'))).toEqual([]);
  });

  it('stops a process whose folder was replaced', async () => {
    const first = new Holder();
    expect(await first.lock()).toBe('held');
    renameSync(dir, `${dir}-moved`);
    mkdirSync(dir);
    try {
      expect(await first.says('lost')).toContain(dir);
      expect(await new Holder().lock()).toBe('held');
    } finally {
      rmSync(`${dir}-moved`, { recursive: true, force: true });
    }
  });
});

describe('a folder in place of a locked one', () => {
  it('stops the former process, although its lock has the same number', async () => {
    const [first, second] = [new Holder(), new Holder()];
    expect(await first.lock()).toBe('held');
    first.signal('SIGSTOP');
    renameSync(dir, `${dir}-moved`);
    mkdirSync(dir);
    try {
      expect(await second.lock()).toBe('held');
      expect(number()).toBe(1);
      first.signal('SIGCONT');
      expect(await first.says('lost')).toContain('was replaced or taken over');
      expect(second.lines).toEqual(['loaded', 'held']);
    } finally {
      rmSync(`${dir}-moved`, { recursive: true, force: true });
    }
  });
});

// Two mounts of one file system on one kernel. The socket of the process that holds the lock has a different inode in each
// mount. So a connection to this socket is refused.
describe('a folder locked through another mount', () => {
  it('refuses while the lease is renewed', async () => {
    const [first, second] = [new Holder(), new Holder()];
    expect(await first.lock()).toBe('held');
    changeOwner((text) => text.replace(/"device":\d+/, '"device":1'));
    const socket = join(dir, 'pg.lock', '1', 'socket');
    rmSync(socket);
    writeFileSync(socket, '');
    expect(await second.lock()).toMatch(/^refused/);
    expect(second.lines[1]).toMatch(/^waiting/);
    expect(first.lines).toEqual(['loaded', 'held']);
  });

  it.runIf(hasOverlays)('refuses where it is a real mount', async () => {
    const base = mkdtempSync('/dev/shm/sfera-');
    try {
      for (const name of ['lower', 'upper', 'work', 'merged']) mkdirSync(join(base, name));
      const [first, second] = [
        new Holder({ folder: join(base, 'upper') }),
        new Holder({ folder: join(base, 'merged'), within: overlay(base) }),
      ];
      expect(await first.lock()).toBe('held');
      expect(await second.lock()).toMatch(/^refused/);
      expect(first.lines).toEqual(['loaded', 'held']);
      await Promise.all([first.kill(), second.kill()]);
    } finally {
      rmSync(base, { recursive: true, force: true });
    }
  });
});

describe('a damaged lock', () => {
  it('is taken over after the lease has expired', async () => {
    const damages: Record<string, (lock: string) => void> = {
      withoutOwner: (lock) => mkdirSync(lock),
      isFile: (lock) => writeFileSync(lock, ''),
      emptyOwner: (lock) => (mkdirSync(lock), writeFileSync(join(lock, 'owner'), '')),
      nullOwner: (lock) => (mkdirSync(lock), writeFileSync(join(lock, 'owner'), 'null')),
      folderAsOwner: (lock) => mkdirSync(join(lock, 'owner'), { recursive: true }),
    };
    const results = Object.entries(damages).map(async ([name, damage]) => {
      const locks = join(dir, name, 'pg.lock');
      mkdirSync(locks, { recursive: true });
      damage(join(locks, '3'));
      const waits: string[] = [];
      const lock = await lockFolder(join(dir, name), { onLost: () => {}, onWait: (message) => waits.push(message) });
      const left = readdirSync(locks);
      lock.release();
      return [name, left, waits];
    });
    const waited = [expect.stringContaining(`waiting ${leaseMs / 1000} s`)];
    expect(await Promise.all(results)).toEqual(Object.keys(damages).map((name) => [name, ['4'], waited]));
  });
});

describe('a process that pauses while it takes a folder', () => {
  const locks = () => join(dir, 'pg.lock');
  let listening: Promise<{ close(): void } | undefined> | undefined;
  /**
   * Tries to acquire the lock. Counts how often this process reads the lock folder. Right after read number `at`, a
   * simulated successor takes the lock.
   */
  const take = (at: number, onLost: () => void) => {
    let readings = 0;
    read.run = (folder) => {
      if (folder !== locks() || ++readings !== at) return;
      const successor = join(locks(), '7');
      mkdirSync(successor);
      const owner = { id: 'successor', machine: machineId(), device: deviceOf(dir), pid: 1, host: hostname(), released: false };
      writeFileSync(join(successor, 'owner'), JSON.stringify(owner));
      listening = listen(successor, owner.id);
    };
    return lockFolder(dir, { onLost });
  };
  afterEach(async () => {
    read.run = undefined;
    (await listening)?.close();
  });

  it.each([1, 2])('does not open it, and does not disturb its successor (pause after read %s)', async (at) => {
    await expect(take(at, () => {})).rejects.toThrow('is in use by another process (1 on ');
    expect(readdirSync(locks())).toEqual(['7']);
  });

  it('loses it to a successor that arrives later', async () => {
    const onLost = vi.fn();
    await take(3, onLost);
    await until(() => expect(onLost).toHaveBeenCalled());
    expect(readdirSync(locks())).toContain('7');
  });
});

// Two machines share a network file system, or a file system has no sockets. In both cases no other process can connect to
// the socket of the lock's holder. Only the lease, which the holder renews again and again, shows that the holder is
// alive.
describe.each([
  ['another machine', 'one', 'other'],
  ['a file system without sockets', 'none', 'none'],
])('a folder locked from %s', (_where, one, other) => {
  it('refuses while the lease is renewed', async () => {
    const [first, second] = [new Holder({ machine: one }), new Holder({ machine: other })];
    expect(await first.lock()).toBe('held');
    expect(await second.lock()).toMatch(/^refused/);
    expect(second.lines[1]).toContain(dir);
    expect(second.lines[1]).toMatch(/^waiting/);
  });

  it('is free at once after release', async () => {
    const [first, second] = [new Holder({ machine: one }), new Holder({ machine: other })];
    expect(await first.lock()).toBe('held');
    first.tell('release');
    await first.says('released');
    expect(await second.lock()).toBe('held');
    expect(second.lines).toEqual(['loaded', 'held']);
  });

  it('is taken over after the lease has expired, and the former holder stops when it wakes up', async () => {
    const [first, second, third] = [new Holder({ machine: one }), new Holder({ machine: other }), new Holder({ machine: other })];
    expect(await first.lock()).toBe('held');
    first.signal('SIGSTOP');
    const answers = await Promise.all([second.lock(), third.lock()]);
    expect(answers.filter((answer) => answer === 'held')).toHaveLength(1);
    first.signal('SIGCONT');
    await first.says('lost');
    expect([...second.lines, ...third.lines].filter((line) => line.startsWith('lost'))).toEqual([]);
  });
});

describe('the lock file of a former version', () => {
  const startOf = (pid: number) => {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19];
  };

  it.runIf(process.platform === 'linux')('refuses while its process runs', async () => {
    writeFileSync(join(dir, 'pg.lock'), `${process.pid} ${startOf(process.pid)}`);
    expect(await new Holder().lock()).toContain(`(${process.pid})`);
  });

  it.each([
    ['a dead process', '4194304 1'],
    ['one whose number another process has now', `${process.pid} 1`],
    ['nobody, being cut short', ''],
  ])('is taken over from %s', async (_whose, text) => {
    writeFileSync(join(dir, 'pg.lock'), text);
    const [first, second] = [new Holder(), new Holder()];
    expect(await first.lock()).toBe('held');
    expect(await second.lock()).toMatch(/^refused/);
  });
});
