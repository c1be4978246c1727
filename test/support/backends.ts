import { readFileSync } from 'node:fs';
import pg from 'pg';

/**
 * The backends of one database on a local PostgreSQL server. SIGSTOP makes backends hang, like an unresponsive host.
 */
export interface Backends {
  /**
   * Stops the current backends and returns their number. `application` limits it to the backends of that
   * `application_name`. Needs permission to signal the backends.
   */
  stop(application?: string): Promise<number>;
  /** Resumes all stopped backends. */
  resume(): void;
  close(): Promise<void>;
}

/** Whether this process may signal the backends; true for root. */
export const maySignalBackends = process.getuid?.() === 0;

export async function backendsOf(server: string, database: string): Promise<Backends> {
  const client = new pg.Client({ connectionString: server, application_name: 'test administrator' });
  await client.connect();
  const stopped = new Set<number>();
  const signal = (pid: number, name: 'SIGSTOP' | 'SIGCONT') => {
    // The PID may belong to a different process by now.
    if (/^postgres/.test(commandOf(pid))) process.kill(pid, name);
  };
  const resume = () => {
    for (const pid of stopped) signal(pid, 'SIGCONT');
    stopped.clear();
  };
  return {
    async stop(application = '') {
      const { rows } = await client.query<{ pid: number }>(
        `select pid from pg_stat_activity where datname = $1 and pid <> pg_backend_pid() and ($2 = '' or application_name = $2)`,
        [database, application],
      );
      for (const { pid } of rows) {
        signal(pid, 'SIGSTOP');
        stopped.add(pid);
      }
      return rows.length;
    },
    resume,
    async close() {
      resume();
      await client.end();
    },
  };
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8');
  } catch {
    return '';
  }
}
