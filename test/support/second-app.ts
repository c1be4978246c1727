import type { Config } from '../../src/config.ts';
import { startApp, type App, type AppDeps } from '../../src/http/app.ts';
import type { Running } from '../../src/http/bootstrap.ts';

export interface SecondApp extends App {
  /** URL of the server's GraphQL endpoint. */
  url: string;
}

/**
 * Starts another HTTP server on a free port. It uses the database and the services of the running server. It has no
 * pages unless `routes` is given.
 */
export async function startSecondApp(
  running: Running,
  { config, ...deps }: Partial<Omit<AppDeps, 'config'>> & { config?: Partial<Config> } = {},
): Promise<SecondApp> {
  const app = await startApp({ ...running, routes: async () => false, ...deps, config: { ...running.config, ...config, port: 0 } });
  return { ...app, url: `http://127.0.0.1:${app.port}/graphql` };
}
