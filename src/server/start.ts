import { loadSigningKeys } from '../auth/keys.ts';
import { createTokens } from '../auth/tokens.ts';
import type { Config } from '../config.ts';
import { connect, type Database } from '../db/client.ts';
import { migrate } from '../db/migrate.ts';
import type { Context } from '../domain/context.ts';
import { createBus } from '../events/bus.ts';
import { createFeed } from '../events/feed.ts';
import { startHousekeeping } from '../jobs/housekeeping.ts';
import type { Logger } from '../log.ts';
import { startApp, type App } from './app.ts';
import { contextFor, type Deps } from './requests.ts';
import { createRoutes } from './router.ts';

/** Everything but listening: for the command line too. */
export interface Opened extends Deps {
  /** The operator's own context: it may do all, and the log says it was the operator. */
  operator: Context;
  close(): Promise<void>;
}

/** Connects, applies pending migrations, and wires what a request needs; `close` undoes it in reverse order. */
export async function open(config: Config, log: Logger, existing?: Database): Promise<Opened> {
  const db =
    existing ??
    (await connect({
      databaseUrl: config.databaseUrl,
      poolSize: config.databasePool,
      dataDir: config.dataDir,
      log,
    }));
  try {
    await migrate(db, log);
    const keys = await loadSigningKeys(db, config);
    const bus = createBus(db.pool, db.connectionString, log);
    const feed = createFeed(db, bus, log);
    const deps: Deps = { config, db, log, keys, bus, feed, tokens: createTokens({ config, db, keys, log }) };
    const operator = contextFor(deps, { kind: 'operator' }, { acceptLanguage: null, requestId: null, address: null });
    return {
      ...deps,
      operator,
      async close() {
        feed.close();
        await bus.close();
        await db.close();
      },
    };
  } catch (error) {
    await db.close();
    throw error;
  }
}

export interface Running extends Opened {
  port: number;
}

/** Opens and listens. */
export async function start(config: Config, log: Logger, existing?: Database): Promise<Running> {
  const opened = await open(config, log, existing);
  let app: App;
  try {
    app = await startApp({ ...opened, routes: createRoutes(opened) });
  } catch (error) {
    await opened.close();
    throw error;
  }
  const stopHousekeeping = config.housekeeping ? startHousekeeping(opened.db, config, log) : undefined;
  return {
    ...opened,
    port: app.port,
    async close() {
      await app.close();
      await stopHousekeeping?.();
      await opened.close();
    },
  };
}
