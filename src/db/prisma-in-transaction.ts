import { PrismaClient } from './generated/client.ts';
import { adapterFactory, type ExecuteStatement } from './transaction-adapter.ts';

/** A PrismaClient that executes its statements on the connection of a transaction. */
export interface TransactionClient {
  readonly prisma: PrismaClient;
  /** Executes a statement in the transaction; undefined while the client is idle. */
  execute: ExecuteStatement | undefined;
}

/**
 * The Prisma clients for transactions. Creating one takes some milliseconds and megabytes, so clients of ended
 * transactions are reused. There are as many clients as simultaneous transactions have used Prisma.
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
