import type { Database } from '../../db/client.ts';
import type { Logger } from '../../logger.ts';
import { Broadcaster } from './broadcaster.ts';
import type { Notifier } from '../notifier.ts';
import type { LiveEvents } from './subscription.ts';
import { createRightsCache } from './rights-cache.ts';
import { createLogReader } from '../log-reader.ts';

/** Creates the parts that subscriptions need. `close` ends every stream. */
export function createLiveEvents(db: Database, notifier: Notifier, log: Logger): LiveEvents & { close(): void } {
  const rights = createRightsCache(db, log);
  const reader = createLogReader(db.pool, notifier, log, (schoolId, events) => rights.invalidate(schoolId, events));
  const broadcaster = new Broadcaster(reader, log);
  return {
    reader,
    rights,
    broadcaster,
    close() {
      broadcaster.close();
      rights.close();
      reader.close();
    },
  };
}
