import { expect, it } from 'vitest';
import { openSfera } from '../support/sfera.ts';
import { chatsStream, enrolmentsStream } from '../live/streams.ts';

it('stops within ten seconds: sockets are told to come back, streams end, and nothing is left', async () => {
  const app = await openSfera();
  const { school, administrator } = await app.build.school();
  const schoolId = app.id('School', school.id);
  const socket = await app.as(administrator).listen(enrolmentsStream, { schoolId });
  const sse = await app.as(administrator).listenSse(chatsStream, { schoolId });
  await Promise.all([socket, sse].map((stream) => stream.until(({ items }) => items.length > 0)));
  const begun = performance.now();
  await app.close();
  expect(performance.now() - begun).toBeLessThan(10_000);
  expect((await socket.over).code).toBe(1012);
  await sse.over;
  expect(app.feed.hearing.stats().listeners).toBe(0);
  expect(app.feed.tail.stats().schools).toBe(0);
  expect(app.db.pool.totalCount).toBe(0);
  await expect(fetch(app.url)).rejects.toThrow();
  const left = process.getActiveResourcesInfo().filter((name) => ['TCPServerWrap', 'TTYWrap', 'Worker'].includes(name) && name !== 'TTYWrap');
  expect(left).toEqual([]);
});
