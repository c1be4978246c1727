import { readFileSync } from 'node:fs';
import pg from 'pg';

/** The processes of a PostgreSQL server on this machine that serve one database, stopped as a hanging host stops them. */
export interface Backends {
  /** Stops those that serve the database now, of this application if it is named; returns how many. Needs the right to send them signals. */
  stop(application?: string): Promise<number>;
  /** Lets all of them go on. */
  resume(): void;
  close(): Promise<void>;
}

/** Whether this process may stop processes of the server: as root, or as the server's own user. */
export const maySignalBackends = process.getuid?.() === 0;

export async function backendsOf(server: string, database: string): Promise<Backends> {
  const client = new pg.Client({ connectionString: server, application_name: 'beside' });
  await client.connect();
  const stopped = new Set<number>();
  const signal = (pid: number, name: 'SIGSTOP' | 'SIGCONT') => {
    // The number may be another process's by now.
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
