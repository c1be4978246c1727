import { SmtpMailer } from '../adapters/mail.ts';
import { loadSigningKeys } from '../auth/keys.ts';
import { Tokens } from '../auth/tokens.ts';
import { ConfigError, type Config } from '../config.ts';
import { connect, type Database } from '../db/client.ts';
import { statementError } from '../db/database-errors.ts';
import { migrate } from '../db/migrate.ts';
import type { Context } from '../domain/context.ts';
import { Notifier } from '../events/notifier.ts';
import { createLiveEvents } from '../events/live/live-events.ts';
import { Housekeeping } from '../jobs/housekeeping.ts';
import { ScheduledPlans } from '../jobs/scheduled-plans.ts';
import { SchoolYearStart } from '../jobs/school-year-start.ts';
import type { Logger } from '../logger.ts';
import { startApp, type App } from './app.ts';
import { contextFor, type ServerDeps } from './request-context.ts';
import { createRoutes } from './routes.ts';

/** The opened parts of the server, without a listener. The command line uses them too. */
export interface Opened extends ServerDeps {
  /** The operator's context: it has every right, and the event log names the operator as the actor. */
  operator: Context;
  close(): Promise<void>;
}

/**
 * Connects, applies pending migrations, and creates the dependencies of requests. `close` releases them in reverse
 * order.
 */
export async function open(config: Config, log: Logger, existing?: Database): Promise<Opened> {
  const db =
    existing ??
    (await connect({
      databaseUrl: config.databaseUrl,
      poolSize: config.databasePool,
      processes: config.workers,
      dataDir: config.dataDir,
      rows: config.rows,
      log,
    }));
  try {
    await migrate(db, log);
    const keys = await loadSigningKeys(db, config);
    const notifier = new Notifier(db.pool, db.connectionString, log);
    const liveEvents = createLiveEvents(db, notifier, log);
    const mailer = config.mail === undefined ? null : new SmtpMailer({ settings: config.mail, log });
    const deps: ServerDeps = { config, db, log, keys, notifier, liveEvents, mailer, tokens: new Tokens({ config, db, keys, log }) };
    const operator = contextFor(deps, { kind: 'operator' }, { acceptLanguage: null, requestId: null, address: null });
    return {
      ...deps,
      operator,
      async close() {
        await mailer?.close();
        liveEvents.close();
        await notifier.close();
        await db.close();
      },
    };
  } catch (error) {
    await db.close();
    throw statementError(error);
  }
}

const listenReasons: Record<string, (config: Config) => string> = {
  EADDRINUSE: ({ port }) => `Port ${port} is in use by another program: choose another with PORT.`,
  EACCES: ({ port }) => `This user may not listen on port ${port}: choose 1024 or higher with PORT.`,
  EADDRNOTAVAIL: ({ host }) => `HOST=${host} is not an address of this machine: leave it out to listen on all of them.`,
  ENOTFOUND: ({ host }) => `HOST=${host} is neither a known host name nor an address.`,
  EAI_AGAIN: ({ host }) => `HOST=${host} cannot be looked up: the name service does not answer.`,
  EAFNOSUPPORT: ({ host }) => `HOST=${host} has an address family that this machine does not support.`,
  EINVAL: ({ host }) => `HOST=${host} is not an address to listen on (a link-local IPv6 address needs its zone, such as fe80::1%eth0).`,
};

/** Returns a ConfigError with one line for a known error of `listen`. Returns any other error unchanged. */
function listenError(error: unknown, config: Config): unknown {
  const line = listenReasons[(error as NodeJS.ErrnoException).code ?? ''];
  return line === undefined ? error : new ConfigError(line(config), { cause: error });
}

export interface Running extends Opened {
  port: number;
}

export async function start(config: Config, log: Logger, existing?: Database): Promise<Running> {
  const opened = await open(config, log, existing);
  let app: App;
  try {
    app = await startApp({ ...opened, routes: createRoutes(opened) });
  } catch (error) {
    await opened.close();
    throw listenError(error, config);
  }
  const housekeeping = config.housekeeping ? new Housekeeping(opened.db, config, log) : undefined;
  const schoolYearStart = config.housekeeping ? new SchoolYearStart(opened.operator) : undefined;
  const scheduledPlans = config.housekeeping ? new ScheduledPlans(opened.operator) : undefined;
  return {
    ...opened,
    port: app.port,
    async close() {
      await app.close();
      await housekeeping?.close();
      await schoolYearStart?.close();
      await scheduledPlans?.close();
      await opened.close();
    },
  };
}
