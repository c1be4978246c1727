import { once } from 'node:events';
import pg from 'pg';
import { ConfigError } from '../config.ts';
import type { ConnectionUrl } from './connection-url.ts';

/** Checks that a connection keeps its session. A pooler may run each transaction in another session. */

const timeoutMs = 5000;
const channel = 'sfera_session_check';

/**
 * Checks that the settings reached the session. Behind a pooler, also checks that session state lives as long as the
 * connection.
 * @throws ConfigError with one line that says what was lost and what to do.
 */
export async function checkSession(
  client: pg.PoolClient,
  url: ConnectionUrl,
  settings: Readonly<Record<string, string>>,
  role: string,
): Promise<void> {
  const { rows } = await client.query<{ pid: number; values: string[] }>(
    'select pg_backend_pid() as pid, array(select current_setting(name) from unnest($1::text[]) with ordinality as asked(name, at) order by at) as values',
    [Object.keys(settings)],
  );
  const { pid, values } = rows[0]!;
  const lostSettings = Object.keys(settings).filter((name, index) => values[index] !== settings[name]);
  // PostgreSQL sends its real PID in the handshake; a pooler sends an invented PID.
  const isDirect = (client as unknown as { processID: number }).processID === pid;
  const lostState = isDirect ? [] : await findLostState(url.connectionString);
  if (lostState.length > 0)
    throw new ConfigError(
      `A connection pooler on ${url.host} does not keep the session (lost: ${[...lostSettings, ...lostState].join(', ')}): connect to PostgreSQL directly, or use the pooler in session mode.`,
    );
  if (lostSettings.length > 0) {
    const commands = lostSettings.map((name) => `ALTER ROLE "${role}" SET ${name} = '${settings[name]}'`).join('; ');
    throw new ConfigError(
      `The pooler on ${url.host} drops the settings of the session (options: ${lostSettings.join(', ')}): connect to PostgreSQL directly, or give them to the role: ${commands}.`,
    );
  }
}

/**
 * Changes session state on one connection, then on another, and checks the first again. Returns the kinds of state that
 * a connection lost.
 */
async function findLostState(connectionString: string): Promise<string[]> {
  const [one, other] = [0, 1].map(() => {
    const client = new pg.Client({
      connectionString,
      application_name: 'sfera check',
      connectionTimeoutMillis: timeoutMs,
      query_timeout: timeoutMs,
    });
    // The next statement on a lost connection fails, so the event needs no handling.
    client.on('error', () => {});
    return client;
  }) as [pg.Client, pg.Client];
  try {
    await Promise.all([one.connect(), other.connect()]);
    const keepsSetting = async (): Promise<boolean> =>
      (await one.query<{ kept: boolean }>(`select coalesce(current_setting('sfera.session', true), '') = 'one' as kept`)).rows[0]!.kept;
    await one.query(`select set_config('sfera.session', 'one', false)`);
    await other.query(`select set_config('sfera.session', 'other', false)`);
    if (!(await keepsSetting())) return ['settings', 'locks', 'LISTEN'];
    await other.query('begin');
    const kept = await keepsSetting();
    await other.query('commit');
    if (!kept) return ['settings', 'locks', 'LISTEN'];
    return [
      ...((await keepsPreparedStatements(one, other)) ? [] : ['prepared statements']),
      ...((await receivesNotifications(one, other)) ? [] : ['LISTEN']),
    ];
  } catch {
    return ['sessions of two connections at a time'];
  } finally {
    await Promise.all([one, other].map((client) => client.end().catch(() => undefined)));
  }
}

async function keepsPreparedStatements(one: pg.Client, other: pg.Client): Promise<boolean> {
  const statement = { name: 'sfera_session_check', text: 'select 1' };
  await one.query(statement);
  await other.query('begin');
  try {
    await one.query(statement);
    return true;
  } catch {
    return false;
  } finally {
    await other.query('commit');
  }
}

async function receivesNotifications(one: pg.Client, other: pg.Client): Promise<boolean> {
  await one.query(`listen ${channel}`);
  const received = once(one, 'notification', { signal: AbortSignal.timeout(timeoutMs) }).then(
    () => true,
    () => false,
  );
  await other.query(`notify ${channel}`);
  return received;
}
