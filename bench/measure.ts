import type { Beside } from './live/beside.ts';

/** What a measure is, and what it answers. */

/** Of the rounds of one contender: the one in the middle, the least and the greatest. */
export interface Spread {
  median: number;
  low: number;
  high: number;
}

export interface Result {
  ours: Spread;
  peers: Record<string, Spread>;
  /** The least that any program would have to do. */
  limit?: Spread;
  /** What the figures do not say: what was asked, how many rows, what was checked. Plain sentences. */
  notes?: string;
  /** Further figures, a table of rows by name. */
  series?: { title: string; unit: string; rows: Record<string, Record<string, number>> };
}

export interface Measure {
  name: string;
  /** What is measured, in one line. */
  title: string;
  unit: string;
  better: 'higher' | 'lower';
  /**
   * The mark. A ratio is ours to the other's where higher is better, and the other's to ours where lower is: 1 is as good, more is
   * better. `absolute` is a bound of our own figure in its unit.
   */
  target: { peer?: number; limit?: number; absolute?: number };
  run(env: Env): Promise<Result>;
}

/** A server in a process of its own. */
export interface Server {
  /** Of its GraphQL endpoint. */
  url: string;
  port: number;
  pid: number;
  /** Processor time of the process and its children since they started. */
  cpuSeconds(): number;
  /** Memory of the process and its children that is in RAM. */
  rssBytes(): number;
  stop(): Promise<void>;
  /** As a machine that fails. */
  kill(): Promise<void>;
}

/** Rows that every measure may stand on. */
export interface Seeded {
  schoolId: string;
  /** Twenty, in the order of their names. */
  classIds: readonly string[];
  /** Thirty in each class. */
  studentIds: readonly string[];
  administratorId: string;
  teacherId: string;
}

export interface Env {
  /** Shorter, to see that everything runs: the figures are rough. */
  quick: boolean;
  /** A scratch database, migrated by the product and seeded. */
  databaseUrl: string;
  /** The variables that the product's server is started with, and whoever stands beside it. */
  settings: Record<string, string>;
  ids: Seeded;
  /** An access token as the product signs it, with a session of its own. */
  token(userId: string): Promise<string>;
  /** The product (`ours`), or a program of bench/peers by its name: started when it is first asked for, and ended with the environment. */
  server(name: string): Promise<Server>;
  /** The writer and the school of the socket measures, in this process: made when first asked for, and closed with the environment. */
  beside(): Promise<Beside>;
  /** The product as users run it. */
  startOurs(env?: Record<string, string>): Promise<Server>;
  /** A program of bench/peers, by its name. It is given PORT and DATABASE_URL, and says `process.send({ ready: true })`. */
  startPeer(name: string, env?: Record<string, string>): Promise<Server>;
  /** Samples the contenders in turn, A B C A B C: what disturbs one disturbs all. */
  rounds<T extends string>(contenders: readonly T[], sample: (contender: T) => Promise<number>): Promise<Record<T, Spread>>;
}

/** Waits for all, begun at once, and gives each under its name. */
export async function together<K extends string, T>(begun: Record<K, Promise<T>>): Promise<Record<K, T>> {
  const entries = Object.entries<Promise<T>>(begun).map(async ([name, one]) => [name, await one] as const);
  return Object.fromEntries(await Promise.all(entries)) as Record<K, T>;
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, low: sorted[0]!, high: sorted.at(-1)! };
}
