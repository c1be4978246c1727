import { connect } from '../../../src/db/client.ts';
import { migrate } from '../../../src/db/migrate.ts';
import { createLogger } from '../../../src/logger.ts';

/** Writes rows to the embedded database of a folder until it is killed; prints the number of each acknowledged row. */

const log = createLogger('silent');
const database = await connect({ dataDir: process.argv[2], poolSize: 1, log });
await migrate(database, log);
for (let count = 1; ; count++) {
  await database.prisma.rateLimit.create({ data: { key: `row ${count}`, count, resetsAt: new Date() } });
  process.stdout.write(`${count}\n`);
}
