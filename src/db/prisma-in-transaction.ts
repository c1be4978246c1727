import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { PrismaClient } from './generated/client.ts';

/**
 * Prisma for the statements of transactions, each on the connection of its transaction. A client takes some
 * milliseconds and megabytes to make, so those of ended transactions are used again: there are as many as there were
 * transactions at once that asked for one.
 */
export interface TransactionClient {
  readonly prisma: PrismaClient;
  /** Where its statements go; undefined while no transaction has it. */
  query: Query | undefined;
}

type Query = (config: pg.QueryConfig) => Promise<pg.QueryResult>;

const idle: TransactionClient[] = [];

export function acquireClient(query: Query): TransactionClient {
  const lent = idle.pop() ?? create();
  lent.query = query;
  return lent;
}

export function releaseClient(lent: TransactionClient): void {
  lent.query = undefined;
  idle.push(lent);
}

function create(): TransactionClient {
  // Never connects: only its `query` is asked, and answered by the connection of the moment.
  const pool = Object.assign(new pg.Pool(), {
    query: async (config: pg.QueryConfig) => {
      if (delegates.query === undefined) throw new Error('the transaction is over');
      return delegates.query(config);
    },
  });
  const delegates: TransactionClient = {
    query: undefined,
    prisma: new PrismaClient({ adapter: new InTransaction(pool), errorFormat: 'minimal' }),
  };
  return delegates;
}

class InTransaction extends PrismaPg {
  override async connect(): ReturnType<PrismaPg['connect']> {
    const adapter = await super.connect();
    const nothing = (): Promise<void> => Promise.resolve();
    // A nested write wants a transaction of its own: it is in one already, which ends when the change does.
    const inside = Object.assign(Object.create(adapter) as typeof adapter, { options: { usePhantomQuery: true }, commit: nothing, rollback: nothing });
    adapter.startTransaction = () => Promise.resolve(inside);
    return adapter;
  }
}
