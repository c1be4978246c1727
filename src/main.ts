import cluster from 'node:cluster';
import { ConfigError, readConfig, type Config } from './config.ts';
import { createDemoData, isEmpty } from './http/demo-data.ts';
import { startSession } from './domain/sessions.ts';
import { bufferedOutput, createLogger, type Logger } from './logger.ts';
import { banner } from './http/banner.ts';
import { start } from './http/bootstrap.ts';
import { superviseWorkers } from './http/workers.ts';

/** The server: reads its settings, starts, says where it is, and stops when it is told to. */

/** Seconds that the token printed with the demonstration is good for. */
const demonstrationToken = 8 * 3600;

/** Seconds that the database has to close, once no request is under way. */
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
    // A process that cannot finish in time is ended all the same; the log and the database do not mind.
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
    const made = await createDemoData(operator);
    const [administrator] = made.people;
    const { id: sessionId } = await startSession(operator, { userId: administrator!.user.id, clientId: 'demonstration', device: 'npm start' });
    const token = await tokens.issueAccessToken({ userId: administrator!.user.id, sessionId, clientId: 'demonstration' }, demonstrationToken);
    process.stdout.write(banner(config, { ...made, token }));
  } else if (config.workers === 1) process.stdout.write(banner(config, null));
}

main().catch((error: unknown) => {
  if (error instanceof ConfigError) process.stderr.write(`${error.message}\n`);
  else process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(1);
});
