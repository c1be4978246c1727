import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import { ConfigError } from '../config.ts';
import type { Logger } from '../log.ts';

const oldest = 15;
const patienceMs = 10_000;

/** What may pass by itself: a server, or a name, that is not there yet. */
const passing = new Set(['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT', 'EHOSTUNREACH', '57P03', '53300']);

const reasons: Record<string, string> = {
  '28P01': 'it refused the user or the password',
  '28000': 'it refused the user or the password',
  '3D000': 'it has no database of this name',
  ENOTFOUND: 'no such host is known',
};

/**
 * Waits until the server answers, and asks whether it is fit to hold the data.
 * @throws ConfigError when it does not answer in ten seconds, refuses us, or is too old.
 */
export async function reach(pool: pg.Pool, host: string, log: Logger): Promise<void> {
  const { version, ...careless } = await settingsOf(pool, host);
  if (version < oldest) throw new ConfigError(`The database on ${host} is PostgreSQL ${version}; ${oldest} or later is needed.`);
  for (const [setting, off] of Object.entries(careless))
    if (off) log.warn({ setting }, `The database has ${setting} off: what it confirmed may be lost when it stops suddenly.`);
}

interface Settings {
  version: number;
  fsync: boolean;
  full_page_writes: boolean;
  synchronous_commit: boolean;
}

async function settingsOf(pool: pg.Pool, host: string): Promise<Settings> {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    try {
      const { rows } = await pool.query<Settings>(`
        select current_setting('server_version_num')::int / 10000 as version,
               current_setting('fsync') = 'off' as fsync,
               current_setting('full_page_writes') = 'off' as full_page_writes,
               current_setting('synchronous_commit') = 'off' as synchronous_commit`);
      const [row] = rows;
      if (row !== undefined) return row;
    } catch (error) {
      const code = (error as { code?: string }).code ?? 'no answer';
      if (!passing.has(code) || Date.now() > deadline)
        throw new ConfigError(`The database on ${host || 'the local socket'} cannot be reached: ${reasons[code] ?? code}.`);
    }
    await pause(500);
  }
}
