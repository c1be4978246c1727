import { createInterface } from 'node:readline';
import { lockFolder, type FolderLock } from '../../../src/db/embedded/folder-lock.ts';

/**
 * Locks the folder of its first argument when it is told `lock`, gives it back on `release`, and says what happened.
 * The second argument is the machine that it plays; `-` leaves it the real one, `none` one whose sockets prove nothing.
 */

const [dir = '', machine = '-'] = process.argv.slice(2);
const say = (line: string): void => void process.stdout.write(`${line}\n`);

let lock: FolderLock | undefined;
say('loaded');
for await (const line of createInterface(process.stdin)) {
  if (line === 'release') {
    lock?.release();
    say('released');
    continue;
  }
  try {
    lock = await lockFolder(dir, {
      onLost: ({ message }) => say(`lost: ${message}`),
      onWait: (message) => say(`waiting: ${message}`),
      ...(machine === '-' ? {} : { machine: machine === 'none' ? null : machine }),
    });
    say('held');
  } catch (error) {
    say(`refused: ${(error as Error).message}`);
  }
}
