import type { Database } from '../db/client.ts';
import type { Logger } from '../log.ts';
import { createAudience } from './audience.ts';
import type { Bus } from './bus.ts';
import type { Feed } from './follow.ts';
import { createHearing } from './hearing.ts';
import { createTail } from './tail.ts';

/** What following the logs needs, put together; `close` ends every stream. */
export function createFeed(db: Database, bus: Bus, log: Logger): Feed & { close(): void } {
  const hearing = createHearing(db, log);
  const tail = createTail(db.pool, bus, log, (schoolId, events) => hearing.note(schoolId, events));
  const audience = createAudience(tail, log);
  return {
    tail, hearing, audience,
    close() {
      audience.close();
      hearing.close();
      tail.close();
    },
  };
}
