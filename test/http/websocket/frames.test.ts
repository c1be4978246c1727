import { expect, it, onTestFailed } from 'vitest';
import { createFrames, objectFrame } from '../../../src/http/websocket/frames.ts';
import { createRandom } from '../../support/random.ts';

it('gives each socket its own message, whenever the kernel accepts it', () => {
  const random = createRandom();
  onTestFailed(() => console.error(`SEED=${random.seed}`));
  const write = createFrames();
  let [told, shared] = [0, 0];
  for (let n = 0; n < 300; n += 1) {
    const value = Buffer.from(JSON.stringify('я'.repeat(random.pick([1, 40, 400, 40_000]))));
    const waiting: { frame: Buffer; expected: Buffer }[] = [];
    const seen = new Set<Buffer>();
    for (let to = 0; to < 6; to += 1) {
      const before = Buffer.from(`{"id":"${random.pick(['a', 'b', 'c', 'dd'])}","type":"next","payload":`);
      const expected = objectFrame(before, value);
      const slow = random.next() < 0.3;
      const socket = {
        writableLength: 0,
        write(frame: Buffer) {
          if (seen.has(frame)) shared += 1;
          seen.add(frame);
          if (slow) {
            // The kernel has not accepted the frame yet: read it later, when its memory may have been overwritten.
            socket.writableLength = frame.length;
            waiting.push({ frame, expected });
          } else expect(frame.equals(expected)).toBe(true);
          return !slow;
        },
      };
      write(socket, before, value);
      told += 1;
    }
    for (const { frame, expected } of waiting) expect(frame.equals(expected)).toBe(true);
  }
  expect(shared).toBeGreaterThan(told / 10);
});
