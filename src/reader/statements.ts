import type pg from 'pg';
import { LRUCache } from 'lru-cache';
import { types } from './parsers.ts';
import { Client, type ReaderConfig } from './row-parser.ts';
import type { RowViewClass } from './row-view.ts';

/** The cached data of a statement. */
export interface StatementEntry {
  /** The name under which connections prepare the statement; undefined until its second use. */
  name: string | undefined;
  /** The class of its rows, created when the first result arrives. */
  view: RowViewClass | undefined;
  /**
   * Whether a result of `SelectSql.unranked` had more rows than all pages together hold. From then on,
   * `SelectSql.ranked` is executed instead.
   */
  needsRanking: boolean;
}

/** Maximum number of prepared statements. Each connection keeps a plan of each prepared statement. */
export const maxPrepared = 500;

/** Largest size in bytes of each of the two caches: of statements that were used once, and of named statements. */
const maxSize = 16 * 1024 * 1024;

/**
 * Estimates the bytes of heap of a statement. Measured on Node 20 as the growth of `heapUsed` over 500 statements: a
 * class of rows of 20 columns takes 16 KB.
 */
const sizeOf = (text: string): number => 16_000 + 2 * text.length;

/**
 * Names the statements to prepare. A statement gets a name at its second use. No other text ever gets the same name.
 * The least recently used statements lose their names. Statements that were used once have a cache of their own, so
 * that they do not evict prepared statements.
 */
export class Statements {
  readonly #usedOnce = new LRUCache<string, StatementEntry>({ max: maxPrepared, maxSize });
  readonly #named = new LRUCache<string, StatementEntry>({
    max: maxPrepared,
    maxSize,
    dispose: ({ name }) => {
      this.#names.delete(name!);
      this.#evictions += 1;
    },
  });
  readonly #names = new Set<string>();
  #nameCount = 0;
  #evictions = 0;

  /** Number of names evicted since the start. */
  get evictions(): number {
    return this.#evictions;
  }

  isNamed(name: string): boolean {
    return this.#names.has(name);
  }

  find(text: string): StatementEntry | undefined {
    return this.#named.get(text) ?? this.#usedOnce.get(text);
  }

  /** Counts a use. Returns the name to prepare the statement under; undefined on its first use. */
  nameOf(text: string): string | undefined {
    const named = this.#named.get(text);
    if (named !== undefined) return named.name;
    const entry = this.#usedOnce.get(text);
    if (entry === undefined) {
      this.#usedOnce.set(text, { name: undefined, view: undefined, needsRanking: false }, { size: sizeOf(text) });
      return undefined;
    }
    this.#usedOnce.delete(text);
    const name = `rows${this.#nameCount}`;
    this.#nameCount += 1;
    this.#named.set(text, entry, { size: sizeOf(text) });
    if (!this.#named.has(text)) return undefined;
    this.#names.add(name);
    return (entry.name = name);
  }
}

/** One registry for all connections of the process. */
export const statements = new Statements();

/** Returns the query for node-postgres, which is prepared from its second use on. Parses values as Prisma does. */
export function prepared(text: string, values: unknown[]): pg.QueryConfig {
  const name = statements.nameOf(text);
  return name === undefined ? { text, values, types } : { name, text, values, types };
}

/** Private members of the connection of node-postgres 8.23; test/reader/statements.test.ts fails when they change. */
interface Connection {
  /** Texts of the statements that this connection has prepared, by name. */
  readonly parsedStatements: Record<string, string>;
  parse(statement: { name?: string }): void;
  close(target: { type: 'S'; name: string }): void;
}

/** A client that closes the prepared statements whose names were evicted. */
export class PreparingClient extends Client {
  constructor(config?: ReaderConfig) {
    super(config);
    const { connection } = this as unknown as { connection: Connection };
    const parse = connection.parse.bind(connection);
    let handledEvictions = 0;
    // Closes evicted statements only when it prepares a new statement, so that executing a prepared statement needs no
    // check. The messages that close and the message that prepares are sent in one write.
    connection.parse = (statement) => {
      if (statement.name !== undefined && handledEvictions !== statements.evictions) {
        handledEvictions = statements.evictions;
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
