import type pg from 'pg';
import type { Logger } from '../logger.ts';

/** The server's connection limits, read once at the start. */
interface Limits {
  /** Limits of the role and of the database; -1 means unlimited. For superusers they are always unlimited. */
  role: number;
  database: number;
  server: number;
  reserved: number;
}

async function readLimits(pool: pg.Pool): Promise<Limits> {
  const { rows } = await pool.query<Limits>(`
    select case when r.rolsuper then -1 else r.rolconnlimit end as role,
           case when r.rolsuper then -1 else d.datconnlimit end as database,
           current_setting('max_connections')::int as server,
           current_setting('superuser_reserved_connections')::int + coalesce(current_setting('reserved_connections', true)::int, 0) as reserved
    from pg_roles r, pg_database d
    where r.rolname = current_user and d.datname = current_database()`);
  return rows[0]!;
}

/** Connections of a process outside its pool: one listens for events of other processes. */
const listeningConnections = 1;

/**
 * Returns how many connections each process may have for requests, at most `poolSize`. Logs a warning if the server
 * allows fewer connections than the settings ask for.
 */
export async function limitConnections(
  pool: pg.Pool,
  { poolSize, processes }: { poolSize: number; processes: number },
  log: Logger,
): Promise<number> {
  const { role, database, server, reserved } = await readLimits(pool);
  const allowed = Math.min(...[role, database, server - reserved].filter((limit) => limit >= 0));
  const wanted = processes * (poolSize + listeningConnections);
  if (wanted <= allowed) return poolSize;
  const size = Math.max(1, Math.min(poolSize, Math.floor(allowed / processes) - listeningConnections));
  const describeLimit = (limit: number) => (limit < 0 ? 'none' : String(limit));
  log.warn(
    { allowed, wanted, role, database, server, reserved, size },
    `The server allows ${allowed} connections, and DATABASE_POOL=${poolSize} asks for ${wanted} (limit of the role: ${describeLimit(role)}, of the database: ${describeLimit(database)}, max_connections: ${server} with ${reserved} reserved). Each process uses ${size} for requests, which wait for a free one; lower DATABASE_POOL, or raise the limit.`,
  );
  return size;
}
