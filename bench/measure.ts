import type { LiveFixture } from './live/fixture.ts';

/** The interface of a measure, its result, and the environment that it runs in. */

/** Median, minimum and maximum of the figures of one server in all rounds. */
export interface Summary {
  median: number;
  low: number;
  high: number;
}

export interface Result {
  ours: Summary;
  peers: Record<string, Summary>;
  /** The figure of a minimal program that does the same work (bench/peers/limit.ts or live-ws.ts). */
  limit?: Summary;
  /** Plain sentences for the report: the request, the number of rows, what was verified. */
  notes?: string;
  /** An additional table: figures by row name and column name. */
  series?: { title: string; unit: string; rows: Record<string, Record<string, number>> };
}

export interface Measure {
  name: string;
  /** One line that says what the measure measures. */
  title: string;
  unit: string;
  better: 'higher' | 'lower';
  /**
   * The target. `peer` is the minimum ratio of our figure to that of the best program of bench/peers, `limit` the
   * minimum ratio to that of the minimal program (`Result.limit`). A ratio is ours / theirs if higher is better, and
   * theirs / ours if lower is better. So a ratio of 1 means equal, and a higher ratio is better. `absolute` is the
   * maximum of our own figure, in `unit`.
   */
  target: { peer?: number; limit?: number; absolute?: number };
  run(env: Env): Promise<Result>;
}

/** A server that runs as a child process. */
export interface Server {
  /** URL of the server's GraphQL endpoint. */
  url: string;
  port: number;
  pid: number;
  /** CPU time of the process and its children since their start. */
  cpuSeconds(): number;
  /** Resident memory of the process and its children. */
  rssBytes(): number;
  stop(): Promise<void>;
  /** Kills the process with SIGKILL. */
  kill(): Promise<void>;
}

/** Ids of the seeded rows, shared by all measures. */
export interface SeededIds {
  schoolId: string;
  /** Twenty classes, sorted by name. */
  classIds: readonly string[];
  /** Thirty students for each class, grouped by class. */
  studentIds: readonly string[];
  administratorId: string;
  teacherId: string;
}

export interface Env {
  /** A short run that only shows that everything works. Its figures are rough. */
  quick: boolean;
  /** URL of the scratch database, migrated and seeded. */
  databaseUrl: string;
  /** Environment variables of our servers. */
  settings: Record<string, string>;
  ids: SeededIds;
  /** Creates a session for the user and returns an access token for it. */
  token(userId: string): Promise<string>;
  /**
   * Returns our server (`ours`) or a program of bench/peers. Starts it on the first call. `close` of the environment
   * stops it.
   */
  server(name: string): Promise<Server>;
  /**
   * Returns the school and the event writer of the measures of subscriptions. Creates them on the first call. `close`
   * of the environment closes them.
   */
  fixture(): Promise<LiveFixture>;
  /** Starts another process of our server (dist/main.js in production mode). */
  startOurs(env?: Record<string, string>): Promise<Server>;
  /**
   * Starts a program of bench/peers with the environment variables PORT and DATABASE_URL. The program reports with
   * `process.send({ ready: true })` that it is ready.
   */
  startPeer(name: string, env?: Record<string, string>): Promise<Server>;
  /** Measures the compared servers in turn (A B C A B C), so that disturbances of the machine affect all of them. */
  rounds<T extends string>(contenders: readonly T[], sample: (contender: T) => Promise<number>): Promise<Record<T, Summary>>;
}

/** `Promise.all` for an object: resolves with the results under the same keys. */
export async function allByName<K extends string, T>(begun: Record<K, Promise<T>>): Promise<Record<K, T>> {
  const entries = Object.entries<Promise<T>>(begun).map(async ([name, one]) => [name, await one] as const);
  return Object.fromEntries(await Promise.all(entries)) as Record<K, T>;
}

export function summarise(values: readonly number[]): Summary {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, low: sorted[0]!, high: sorted.at(-1)! };
}
