import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import type { Opened } from '../env.ts';
import { standBeside } from '../live/beside.ts';
import { oursAt, sameListeners } from '../live/hall.ts';
import { collectGarbage } from '../live/memory.ts';
import { assemble, tellInTurn, verify, type Audience, type Told } from '../live/turn.ts';
import type { Server } from '../measure.ts';
import { each, meter, type Used } from './meter.ts';
import type { Cost } from './table.ts';

/** Measures the cost of subscriptions: opening, idling, delivery; and the cost of a NOTIFY for a school that a process does not follow. */

const few = 100;
const many = 1000;
const events = 30;
const notifications = 2000;
/** Milliseconds; the server pings each listener once in this time. */
const window = 12_000;

export async function streams({ settings }: Opened, server: Server, client: pg.Client): Promise<Cost[]> {
  const beside = await standBeside(settings);
  const stage = oursAt([server], beside);
  const gather = (count: number) => assemble(stage, sameListeners(beside, count));
  /** Measures an idle minute: the cheaper of two windows, because one may still contain earlier work. */
  const rest = async (): Promise<Used> => {
    const used: Used[] = [];
    for (let n = 0; n < 2; n++) used.push(each(await meter(server, client, () => pause(window)), window / 60_000));
    return used[0]!.server < used[1]!.server ? used[0]! : used[1]!;
  };
  try {
    /** Measures the cost of one event, less the idle cost of the same time. */
    const tell = async (to: Audience, resting: Used): Promise<Used> => {
      await tellInTurn(to, beside.school.places, 10);
      await to.crowd.forget();
      let told: Told[] = [];
      const begun = performance.now();
      const used = await meter(server, client, async () => (told = await tellInTurn(to, beside.school.places, events)));
      const minutes = (performance.now() - begun) / 60_000;
      verify(to, await to.crowd.report(), told);
      return each({ server: used.server - resting.server * minutes, postgres: used.postgres - resting.postgres * minutes }, events);
    };

    const first = await gather(few);
    await collectGarbage(server.pid);
    const [memoryOfFew, restOfFew] = [server.rssBytes(), await rest()];
    const toldFew = await tell(first, restOfFew);
    await first.close();
    let opened = first;
    const opening = await meter(server, client, async () => (opened = await gather(many)));
    await collectGarbage(server.pid);
    const [memoryOfMany, restOfMany] = [server.rssBytes(), await rest()];
    const toldMany = await tell(opened, restOfMany);
    const between = (a: Used, b: Used): Used => each({ server: b.server - a.server, postgres: b.postgres - a.postgres }, many - few);
    const perMessage = between(toldFew, toldMany);

    // Notifies of schools without subscribers on this server, each in its own transaction, as processes do.
    const notify = async (count: number): Promise<void> => {
      for (let n = 0; n < notifications; n++)
        await client.query(`select pg_notify('sfera_events', string_agg(gen_random_uuid()::text, ',')) from generate_series(1, $1)`, [count]);
    };
    const waking = async (count: number): Promise<Used> =>
      each(await meter(server, client, async () => {
        await notify(count);
        await pause(1000);
      }), notifications);
    const quiet = each(await meter(server, client, () => pause(1000)), notifications);
    const less = ({ server: ofServer, postgres }: Used): Used => ({ server: ofServer - quiet.server, postgres: postgres - quiet.postgres });
    const [ofOne, ofForty] = [less(await waking(1)), less(await waking(40))];
    await opened.close();

    const cost = (name: string, what: string, used: Used): Cost => ({ name, what, unit: 'ms', ...used });
    return [
      cost('s_open', `a stream opened: its socket, its token, its first look (of ${many.toLocaleString('en')})`, each(opening, many)),
      { name: 's_message', what: 'a message delivered to one more listener that asks for the same', unit: 'ms', server: perMessage.server },
      cost('s_event', 'an event at a process that follows its school, before the first message', { server: toldFew.server - few * perMessage.server, postgres: toldFew.postgres - few * perMessage.postgres }),
      { name: 'm_stream', what: 'memory of an open stream that hears nothing', unit: 'B', server: (memoryOfMany - memoryOfFew) / (many - few) },
      cost('i_process', `a minute of a process with ${few} idle streams: rights read in turn, the poll, pings`, restOfFew),
      cost('i_stream', 'a minute of a further idle stream', between(restOfFew, restOfMany)),
      cost('n_wake', 'a NOTIFY of one school that a process does not follow', ofOne),
      cost('n_wake40', 'a NOTIFY of forty schools that a process does not follow', ofForty),
    ];
  } finally {
    await beside.close();
  }
}
