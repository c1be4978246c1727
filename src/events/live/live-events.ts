import type { Database } from '../../db/client.ts';
import type { Logger } from '../../logger.ts';
import { Broadcaster } from './broadcaster.ts';
import type { Notifier } from '../notifier.ts';
import type { LiveEvents } from './subscription.ts';
import { RightsCache } from './rights-cache.ts';
import { LogReader } from '../log-reader.ts';
import { Signals } from './signals.ts';

/** Creates the parts that subscriptions need. `close` ends every stream. */
export function createLiveEvents(db: Database, notifier: Notifier, log: Logger): LiveEvents & { close(): void } {
  const rights = new RightsCache(db, log);
  const reader = new LogReader(db.pool, notifier, log, rights);
  const broadcaster = new Broadcaster(reader, log);
  const signals = new Signals(notifier, log);
  return {
    reader,
    rights,
    broadcaster,
    signals,
    close() {
      signals.close();
      broadcaster.close();
      rights.close();
      reader.close();
    },
  };
}
