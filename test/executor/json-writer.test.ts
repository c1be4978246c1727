import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { JsonWriter } from '../../src/executor/json-writer.ts';
import { until } from '../support/until.ts';

it('keeps at most 16 MB of buffers for the next results', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  const before = process.memoryUsage().arrayBuffers;
  const megabyte = 1024 * 1024;
  const write = (): void => {
    const writers = Array.from({ length: 20 }, () => new JsonWriter());
    for (const json of writers) for (let n = 0; n < 4; n += 1) json.json(' '.repeat(megabyte / 4));
    for (const json of writers) json.end();
  };
  write();
  // V8 frees the memory on another thread, a moment later.
  await until(() => {
    collect();
    const kept = process.memoryUsage().arrayBuffers - before;
    expect(kept).toBeLessThan(17 * megabyte);
    expect(kept).toBeGreaterThan(megabyte);
  });
});
