import type pg from 'pg';
import type { Server } from '../measure.ts';
import { cpuSecondsOf } from '../processes.ts';

/**
 * CPU time in ms. `server` is that of our server's process, `postgres` that of the PostgreSQL backends of its
 * connections.
 */
export interface CpuTime {
  server: number;
  postgres: number;
}

/** The `application_name` of the measured server. `backendsOf` finds the server's backends by this name. */
export const applicationName = 'sfera costs';

/** Returns the process ids of the measured server's backends. PostgreSQL has to run on this machine. */
export async function backendsOf(client: pg.ClientBase): Promise<number[]> {
  const { rows } = await client.query<{ pid: number }>(
    'select pid from pg_stat_activity where application_name = $1 and datname = current_database()',
    [applicationName],
  );
  return rows.map(({ pid }) => pid);
}

/**
 * Runs `work` and returns the CPU time that it costs. This includes the start of new backends, and excludes the
 * background processes of PostgreSQL.
 */
export async function meter(server: Server, client: pg.ClientBase, work: () => Promise<unknown>): Promise<CpuTime> {
  const read = async () => new Map((await backendsOf(client)).map((pid) => [pid, cpuSecondsOf(pid)]));
  const [before, begun] = [await read(), server.cpuSeconds()];
  await work();
  const [used, after] = [server.cpuSeconds() - begun, await read()];
  let postgres = 0;
  for (const [pid, seconds] of after) postgres += seconds - (before.get(pid) ?? 0);
  return { server: used * 1000, postgres: postgres * 1000 };
}

export const perUnit = ({ server, postgres }: CpuTime, count: number): CpuTime => ({ server: server / count, postgres: postgres / count });
