import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import type { BenchEnv } from '../env.ts';
import { openLiveFixture } from '../live/fixture.ts';
import { sferaTargetFor, sameListeners } from '../live/contenders.ts';
import { collectGarbage } from '../live/memory.ts';
import { openGroup, publishOneByOne, verifyDelivery, type ListenerGroup, type PublishedEvent } from '../live/delivery.ts';
import type { Server } from '../measure.ts';
import { perUnit, meter, type CpuTime } from './meter.ts';
import type { Cost } from './table.ts';

/**
 * Measures the cost of subscriptions: opening, idling and delivery. Also measures what a NOTIFY costs a server process
 * that has no subscribers of the school that the NOTIFY names.
 */

const fewListeners = 100;
const manyListeners = 1000;
const events = 30;
const notifications = 2000;
/** Milliseconds of an idle measurement. The server pings each listener once in this time. */
const window = 12_000;

export async function streams({ settings }: BenchEnv, server: Server, client: pg.Client): Promise<Cost[]> {
  const fixture = await openLiveFixture(settings);
  const target = sferaTargetFor([server], fixture);
  const openListeners = (count: number) => openGroup(target, sameListeners(fixture, count));
  /**
   * Returns the CPU time of an idle minute. Measures two windows and returns the cheaper one, because the server may
   * still finish earlier work in a window.
   */
  const measureIdle = async (): Promise<CpuTime> => {
    const used: CpuTime[] = [];
    for (let n = 0; n < 2; n++) used.push(perUnit(await meter(server, client, () => pause(window)), window / 60_000));
    return used[0]!.server < used[1]!.server ? used[0]! : used[1]!;
  };
  try {
    /** Returns the CPU time of one event, without the CPU time that an idle server uses meanwhile. */
    const measureEvent = async (group: ListenerGroup, idle: CpuTime): Promise<CpuTime> => {
      await publishOneByOne(group, fixture.school.enrolments, 10);
      await group.pool.reset();
      let published: PublishedEvent[] = [];
      const startedAt = performance.now();
      const used = await meter(server, client, async () => (published = await publishOneByOne(group, fixture.school.enrolments, events)));
      const minutes = (performance.now() - startedAt) / 60_000;
      verifyDelivery(group, await group.pool.report(), published);
      return perUnit({ server: used.server - idle.server * minutes, postgres: used.postgres - idle.postgres * minutes }, events);
    };

    const first = await openListeners(fewListeners);
    await collectGarbage(server.pid);
    const [memoryOfFew, idleOfFew] = [server.rssBytes(), await measureIdle()];
    const eventForFew = await measureEvent(first, idleOfFew);
    await first.close();
    let opened = first;
    const opening = await meter(server, client, async () => (opened = await openListeners(manyListeners)));
    await collectGarbage(server.pid);
    const [memoryOfMany, idleOfMany] = [server.rssBytes(), await measureIdle()];
    const eventForMany = await measureEvent(opened, idleOfMany);
    const between = (a: CpuTime, b: CpuTime): CpuTime =>
      perUnit({ server: b.server - a.server, postgres: b.postgres - a.postgres }, manyListeners - fewListeners);
    const perMessage = between(eventForFew, eventForMany);

    // Sends notifications that name `count` schools each. These schools have no subscribers on the server. Each
    // notification is a transaction of its own, like the notifications of our server.
    const notify = async (count: number): Promise<void> => {
      for (let n = 0; n < notifications; n++)
        await client.query(`select pg_notify('sfera_events', string_agg(gen_random_uuid()::text, ',')) from generate_series(1, $1)`, [
          count,
        ]);
    };
    const measureNotify = async (count: number): Promise<CpuTime> =>
      perUnit(
        await meter(server, client, async () => {
          await notify(count);
          await pause(1000);
        }),
        notifications,
      );
    const idleSecond = perUnit(await meter(server, client, () => pause(1000)), notifications);
    const withoutIdle = ({ server: ofServer, postgres }: CpuTime): CpuTime => ({
      server: ofServer - idleSecond.server,
      postgres: postgres - idleSecond.postgres,
    });
    const [ofOne, ofForty] = [withoutIdle(await measureNotify(1)), withoutIdle(await measureNotify(40))];
    await opened.close();

    const cost = (name: string, what: string, used: CpuTime): Cost => ({ name, what, unit: 'ms', ...used });
    return [
      cost(
        's_open',
        `a stream opened: its socket, its token, its first look (of ${manyListeners.toLocaleString('en')})`,
        perUnit(opening, manyListeners),
      ),
      { name: 's_message', what: 'a message delivered to one more listener that asks for the same', unit: 'ms', server: perMessage.server },
      cost('s_event', 'an event at a process that follows its school, before the first message', {
        server: eventForFew.server - fewListeners * perMessage.server,
        postgres: eventForFew.postgres - fewListeners * perMessage.postgres,
      }),
      {
        name: 'm_stream',
        what: 'memory of an open stream that hears nothing',
        unit: 'B',
        server: (memoryOfMany - memoryOfFew) / (manyListeners - fewListeners),
      },
      cost('i_process', `a minute of a process with ${fewListeners} idle streams: rights read in turn, the poll, pings`, idleOfFew),
      cost('i_stream', 'a minute of a further idle stream', between(idleOfFew, idleOfMany)),
      cost('n_wake', 'a NOTIFY of one school that a process does not follow', ofOne),
      cost('n_wake40', 'a NOTIFY of forty schools that a process does not follow', ofForty),
    ];
  } finally {
    await fixture.close();
  }
}
