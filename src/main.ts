import cluster from 'node:cluster';
import { ConfigError, readConfig, type Config } from './config.ts';
import { createDemoData, isEmpty } from './http/demo-data.ts';
import { startSession } from './domain/sessions.ts';
import { bufferedOutput, createLogger, type Logger } from './logger.ts';
import { banner } from './http/banner.ts';
import { start, type Running } from './http/bootstrap.ts';
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
  new Shutdown(running, config, log).listen();
  log.info({ port: running.port, embedded: running.db.embedded }, 'listening');
  if (config.demo && running.db.embedded && (await isEmpty(running.db))) await printDemo(running, config);
  else if (config.workers === 1) process.stdout.write(banner(config, null));
}

/** Creates the demonstration school and prints its logins, with an access token of its administrator. */
async function printDemo({ operator, tokens }: Running, config: Config): Promise<void> {
  const demoData = await createDemoData(operator);
  const userId = demoData.people[0]!.user.id;
  const { id: sessionId } = await startSession(operator, { userId, clientId: 'demonstration', device: 'npm start' });
  const token = await tokens.issueAccessToken({ userId, sessionId, clientId: 'demonstration' }, demoTokenSeconds);
  process.stdout.write(banner(config, { ...demoData, token }));
}

/** Closes the server and exits the process, on SIGTERM, on SIGINT, or when the database fails. */
class Shutdown {
  readonly #running: Running;
  readonly #config: Config;
  readonly #log: Logger;
  #hasStarted = false;

  constructor(running: Running, config: Config, log: Logger) {
    this.#running = running;
    this.#config = config;
    this.#log = log;
  }

  listen(): void {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void this.#stop(signal));
    void this.#running.db.failed?.then((error) => {
      this.#log.fatal(error.message);
      process.exit(1);
    });
  }

  async #stop(signal: NodeJS.Signals): Promise<void> {
    if (this.#hasStarted) return;
    this.#hasStarted = true;
    this.#log.info({ signal }, 'stopping');
    const { stopDelaySeconds, stopSeconds } = this.#config;
    // Exits if stopping takes too long. An abrupt exit damages neither the event log nor the database.
    setTimeout(() => process.exit(1), (stopDelaySeconds + stopSeconds + closingSeconds) * 1000).unref();
    try {
      await this.#running.close();
    } catch (error) {
      this.#log.error({ err: error }, 'stopping failed');
      process.exit(1);
    }
    process.exit(0);
  }
}

main().catch((error: unknown) => {
  if (error instanceof ConfigError) process.stderr.write(`${error.message}\n`);
  else process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(1);
});
