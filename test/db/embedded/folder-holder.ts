import { createInterface } from 'node:readline';
import { lockFolder, type FolderLock } from '../../../src/db/embedded/folder-lock.ts';

/**
 * A child process that can hold the lock of a folder. On the command `lock` it locks the folder of the first argument;
 * on `release` it releases the folder. It prints each result. The second argument is the id of a simulated machine, `-`
 * for the real machine, or `none` for a machine without usable sockets.
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
