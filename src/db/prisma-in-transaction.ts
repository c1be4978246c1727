import { PrismaClient } from './generated/client.ts';
import { adapterFactory, type ExecuteStatement } from './transaction-adapter.ts';

/** A PrismaClient that executes its statements on the connection of a transaction. */
export interface TransactionClient {
  readonly prisma: PrismaClient;
  /** Executes a statement in the transaction; undefined while the client is idle. */
  execute: ExecuteStatement | undefined;
}

/**
 * The Prisma clients for transactions. Creating a client takes some milliseconds and megabytes, so clients of ended
 * transactions are reused. The number of clients is the largest number of transactions that used Prisma at the same
 * time.
 */
export class TransactionClients {
  readonly #idle: TransactionClient[] = [];

  acquire(execute: ExecuteStatement): TransactionClient {
    const client = this.#idle.pop() ?? createClient();
    client.execute = execute;
    return client;
  }

  release(client: TransactionClient): void {
    client.execute = undefined;
    this.#idle.push(client);
  }
}

function createClient(): TransactionClient {
  const adapter = adapterFactory(async (config) => {
    if (client.execute === undefined) throw new Error('the transaction is over');
    return client.execute(config);
  });
  const client: TransactionClient = { execute: undefined, prisma: new PrismaClient({ adapter, errorFormat: 'minimal' }) };
  return client;
}
