import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import pg from 'pg';
import { measured } from './costs/meter.ts';
import { partitions } from './costs/partitions.ts';
import { plan } from './costs/plan.ts';
import { requests } from './costs/requests.ts';
import { rows } from './costs/rows.ts';
import { streams } from './costs/streams.ts';
import { table, type Cost } from './costs/table.ts';
import { openEnv } from './env.ts';

/** `npx tsx bench/costs.ts`: what the product's single acts cost, and what schools by the thousand then take. */

const help = `npx tsx bench/costs.ts [--write]

Measures what single acts of the product take of the processor, of memory and of the disk, and prints the two tables of docs/scale.md: the costs,
and the steps of growth calculated from them. It takes about a minute and a half, and wants the machine for itself. The product is the one in
dist/ (npm run build).
  --write   put the tables into docs/scale.md
  PG_URL    a PostgreSQL server on this machine, 15 or newer, whose role may create databases: what its backends take is read from /proc`;

const document = new URL('../docs/scale.md', import.meta.url);

/** Puts a text between the marks of its name. */
const replaced = (text: string, name: string, by: string): string =>
  text.replace(new RegExp(`(<!-- ${name} -->\\n)[^]*?(\\n<!-- end -->)`), (_all, before: string, after: string) => before + by + after);

async function measure(): Promise<{ costs: Cost[]; postgres: string }> {
  const env = await openEnv(false);
  const client = new pg.Client({ connectionString: env.databaseUrl });
  await client.connect();
  try {
    const url = new URL(env.databaseUrl);
    url.searchParams.set('application_name', measured);
    const server = await env.startOurs({ DATABASE_URL: url.href });
    const costs = [...(await requests(env, server, client)), ...(await streams(env, server, client))];
    await server.stop();
    return { costs: [...costs, ...(await partitions(env, client)), ...(await rows(env, client))], postgres: env.postgres };
  } finally {
    await client.end();
    await env.close();
  }
}

async function main(args: readonly string[]): Promise<void> {
  if (args.includes('--help')) return console.log(help);
  const { costs, postgres } = await measure();
  const [processor] = cpus();
  const machine = `${cpus().length} cores (${processor!.model}), ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}, PostgreSQL ${postgres}`;
  const first = `Measured on ${new Date().toISOString().slice(0, 10)}: ${machine}.\n\n${table(costs)}`;
  console.log(`${first}\n\n${plan(costs)}`);
  if (args.includes('--write')) writeFileSync(document, replaced(replaced(readFileSync(document, 'utf8'), 'costs', first), 'steps', plan(costs)));
}

await main(process.argv.slice(2));
