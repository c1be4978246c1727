import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { PrismaClient } from './generated/client.ts';

/**
 * A PrismaClient that executes its statements on the connection of a transaction. Creating one takes some milliseconds
 * and megabytes, so the clients of ended transactions are reused: the process has as many as there were transactions at
 * a time that used Prisma.
 */
export interface TransactionClient {
  readonly prisma: PrismaClient;
  /** Executes a statement in the transaction; undefined while the client is idle. */
  query: Query | undefined;
}

type Query = (config: pg.QueryConfig) => Promise<pg.QueryResult>;

const idleClients: TransactionClient[] = [];

export function acquireClient(query: Query): TransactionClient {
  const client = idleClients.pop() ?? createClient();
  client.query = query;
  return client;
}

export function releaseClient(client: TransactionClient): void {
  client.query = undefined;
  idleClients.push(client);
}

function createClient(): TransactionClient {
  // Never connects: Prisma calls only `query`, which uses the connection of the current transaction.
  const pool = Object.assign(new pg.Pool(), {
    query: async (config: pg.QueryConfig) => {
      if (client.query === undefined) throw new Error('the transaction is over');
      return client.query(config);
    },
  });
  const client: TransactionClient = {
    query: undefined,
    prisma: new PrismaClient({ adapter: new InTransaction(pool), errorFormat: 'minimal' }),
  };
  return client;
}

class InTransaction extends PrismaPg {
  override async connect(): ReturnType<PrismaPg['connect']> {
    const adapter = await super.connect();
    const noop = (): Promise<void> => Promise.resolve();
    // Prisma starts a transaction for a nested write. It gets the current one, whose COMMIT is not Prisma's to send.
    const nested = Object.assign(Object.create(adapter) as typeof adapter, {
      options: { usePhantomQuery: true },
      commit: noop,
      rollback: noop,
    });
    adapter.startTransaction = () => Promise.resolve(nested);
    return adapter;
  }
}
