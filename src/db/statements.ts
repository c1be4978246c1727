import type pg from 'pg';
import { LruCache } from '../lru.ts';
import { Client, type ViewOf } from './rows.ts';

/** What is remembered of a statement by its text. */
export interface Remembered {
  /** Under which connections prepare it; undefined until it is used for the second time. */
  name: string | undefined;
  /** The rows' class, made when the first row of it comes. */
  view: ViewOf | undefined;
  /** It once found more rows than all pages hold: the first of each parent are found by the database from then on. */
  overfull: boolean;
}

/** Statements that connections prepare by name. A connection of PostgreSQL keeps a plan of each. */
export const maxPrepared = 500;

/** Bytes of texts, with what stands beside them, of each of the two caches. */
const maxWeight = 16 * 1024 * 1024;

/** Measured on Node 20 as the growth of `heapUsed` over 500 statements: a class of rows of 20 columns takes 16 KB. */
const weightOf = (text: string): number => 16_000 + 2 * text.length;

/**
 * A statement that is used again is prepared by a name, which no other text ever gets; the least recently used ones give
 * up theirs. Statements used once stand apart, so that many of them push out none that is used again.
 */
export class Statements {
  readonly #once = new LruCache<string, Remembered>({ maxWeight, maxEntries: maxPrepared });
  readonly #named = new LruCache<string, Remembered>({
    maxWeight,
    maxEntries: maxPrepared,
    onEvict: ({ name }) => {
      this.#names.delete(name!);
      this.#evictions += 1;
    },
  });
  readonly #names = new Set<string>();
  #made = 0;
  #evictions = 0;

  /** How many names were given up since the start. */
  get evictions(): number {
    return this.#evictions;
  }

  isNamed(name: string): boolean {
    return this.#names.has(name);
  }

  find(text: string): Remembered | undefined {
    return this.#named.get(text) ?? this.#once.get(text);
  }

  /** Counts a use and returns the name to prepare it by; undefined where it is used for the first time. */
  nameOf(text: string): string | undefined {
    const named = this.#named.get(text);
    if (named !== undefined) return named.name;
    const before = this.#once.get(text);
    if (before === undefined) {
      this.#once.set(text, { name: undefined, view: undefined, overfull: false }, weightOf(text));
      return undefined;
    }
    this.#once.delete(text);
    const name = `rows${this.#made}`;
    this.#made += 1;
    if (!this.#named.set(text, before, weightOf(text))) return undefined;
    this.#names.add(name);
    return (before.name = name);
  }
}

/** Names of one process: its connections are prepared by the same texts. */
export const statements = new Statements();

/** What is used of a connection of node-postgres 8.23 beyond what its types show; test/db/statements.test.ts. */
interface Connection {
  /** Texts by the names that this connection has prepared. */
  readonly parsedStatements: Record<string, string>;
  parse(statement: { name?: string }): void;
  close(what: { type: 'S'; name: string }): void;
}

/** A client that closes the prepared statements whose names were given up. */
export class PreparingClient extends Client {
  constructor(config?: string | pg.ClientConfig) {
    super(config);
    const { connection } = this as unknown as { connection: Connection };
    const parse = connection.parse.bind(connection);
    let seen = 0;
    // Only where something new is prepared, and in one message with it: what is prepared already costs nothing here.
    connection.parse = (statement) => {
      if (statement.name !== undefined && seen !== statements.evictions) {
        seen = statements.evictions;
        for (const name of Object.keys(connection.parsedStatements)) {
          if (!name.startsWith('rows') || statements.isNamed(name)) continue;
          connection.close({ type: 'S', name });
          delete connection.parsedStatements[name];
        }
      }
      parse(statement);
    };
  }
}
