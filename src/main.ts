import cluster from 'node:cluster';
import { ConfigError, readConfig, type Config } from './config.ts';
import { createDemoData, isEmpty } from './http/demo-data.ts';
import { startSession } from './domain/sessions.ts';
import { bufferedOutput, createLogger, type Logger } from './logger.ts';
import { banner } from './http/banner.ts';
import { start } from './http/bootstrap.ts';
import { superviseWorkers } from './http/workers.ts';

/** Starts the server, prints its addresses, and stops it on SIGTERM and SIGINT. */

/** Validity in seconds of the access token that is printed with the demonstration school. */
const demoTokenSeconds = 8 * 3600;

/** Seconds that the database may take to close after the last request. */
const closingSeconds = 2;

async function main(): Promise<void> {
  const config = readConfig();
  const log = createLogger(config.logLevel, bufferedOutput());
  if (cluster.isPrimary) for (const warning of config.warnings) log.warn(warning);
  if (config.workers === 1) await serve(config, log);
  else if (cluster.isPrimary) await superviseWorkers(config, log, () => process.stdout.write(banner(config, null)));
  else await serve(config, log.child({ worker: cluster.worker!.id }));
}

async function serve(config: Config, log: Logger): Promise<void> {
  const running = await start(config, log);

  let stopping = false;
  const stop = (signal: string) => {
    if (stopping) return;
    stopping = true;
    log.info({ signal }, 'stopping');
    // Exits if stopping takes too long. That is safe for the event log and the database.
    setTimeout(() => process.exit(1), (config.stopDelaySeconds + config.stopSeconds + closingSeconds) * 1000).unref();
    running.close().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ err: error }, 'stopping failed');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  void running.db.failed?.then((error) => {
    log.fatal(error.message);
    process.exit(1);
  });

  log.info({ port: running.port, embedded: running.db.embedded }, 'listening');
  const { operator, db, tokens } = running;
  if (config.demo && db.embedded && (await isEmpty(db))) {
    const demoData = await createDemoData(operator);
    const [administrator] = demoData.people;
    const { id: sessionId } = await startSession(operator, {
      userId: administrator!.user.id,
      clientId: 'demonstration',
      device: 'npm start',
    });
    const token = await tokens.issueAccessToken({ userId: administrator!.user.id, sessionId, clientId: 'demonstration' }, demoTokenSeconds);
    process.stdout.write(banner(config, { ...demoData, token }));
  } else if (config.workers === 1) process.stdout.write(banner(config, null));
}

main().catch((error: unknown) => {
  if (error instanceof ConfigError) process.stderr.write(`${error.message}\n`);
  else process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(1);
});
