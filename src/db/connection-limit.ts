import type pg from 'pg';
import type { Logger } from '../log.ts';

/** How many connections the server lets be opened, asked once at the start. */

interface Limits {
  /** Of the role and of the database; -1 is no limit, which superusers never have. */
  role: number;
  database: number;
  server: number;
  reserved: number;
}

async function limitsOf(pool: pg.Pool): Promise<Limits> {
  const { rows } = await pool.query<Limits>(`
    select case when r.rolsuper then -1 else r.rolconnlimit end as role,
           case when r.rolsuper then -1 else d.datconnlimit end as database,
           current_setting('max_connections')::int as server,
           current_setting('superuser_reserved_connections')::int + coalesce(current_setting('reserved_connections', true)::int, 0) as reserved
    from pg_roles r, pg_database d
    where r.rolname = current_user and d.datname = current_database()`);
  return rows[0]!;
}

/** Besides the pool a process has a connection that listens for what other processes write. */
const beside = 1;

/**
 * Returns how many connections each process may have for requests, at most `poolSize`. Logs a warning where the server
 * allows fewer than the settings ask for.
 */
export async function limitConnections(pool: pg.Pool, { poolSize, processes }: { poolSize: number; processes: number }, log: Logger): Promise<number> {
  const { role, database, server, reserved } = await limitsOf(pool);
  const allowed = Math.min(...[role, database, server - reserved].filter((limit) => limit >= 0));
  const wanted = processes * (poolSize + beside);
  if (wanted <= allowed) return poolSize;
  const size = Math.max(1, Math.min(poolSize, Math.floor(allowed / processes) - beside));
  const said = (limit: number) => (limit < 0 ? 'none' : String(limit));
  log.warn(
    { allowed, wanted, role, database, server, reserved, size },
    `The server allows ${allowed} connections, and DATABASE_POOL=${poolSize} asks for ${wanted} (limit of the role: ${said(role)}, of the database: ${said(database)}, max_connections: ${server} with ${reserved} reserved). ${size} of each process serve requests, which wait for them; lower DATABASE_POOL, or raise the limit.`,
  );
  return size;
}
