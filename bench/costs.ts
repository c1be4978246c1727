import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import pg from 'pg';
import { applicationName } from './costs/meter.ts';
import { partitions } from './costs/partitions.ts';
import { plan } from './costs/plan.ts';
import { requests } from './costs/requests.ts';
import { rows } from './costs/rows.ts';
import { streams } from './costs/streams.ts';
import { table, type Cost } from './costs/table.ts';
import { openEnv } from './env.ts';

/**
 * `npx tsx bench/costs.ts`: measures the cost of single operations. Calculates from these costs the load of thousands
 * of schools.
 */

const help = `npx tsx bench/costs.ts [--write]

Measures CPU time, memory and disk space of single operations of the product, and prints the two tables of docs/scale.md: the costs, and the steps
of growth calculated from them. It takes about two minutes; run nothing else on the machine meanwhile. Run npm run build first: it measures
the product in dist/.
  --write   write the tables into docs/scale.md
  PG_URL    URL of a PostgreSQL server on this machine, 15 or newer, with a role that may create databases; the CPU time of its backends is read from /proc`;

const document = new URL('../docs/scale.md', import.meta.url);

/** Replaces the text between `<!-- name -->` and `<!-- end -->`. */
const replaceBetween = (text: string, name: string, replacement: string): string =>
  text.replace(
    new RegExp(`(<!-- ${name} -->\\n)[^]*?(\\n<!-- end -->)`),
    (_all, before: string, after: string) => before + replacement + after,
  );

async function measure(): Promise<{ costs: Cost[]; postgres: string }> {
  const env = await openEnv(false);
  const client = new pg.Client({ connectionString: env.databaseUrl });
  await client.connect();
  try {
    const url = new URL(env.databaseUrl);
    url.searchParams.set('application_name', applicationName);
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
  if (args.includes('--write'))
    writeFileSync(document, replaceBetween(replaceBetween(readFileSync(document, 'utf8'), 'costs', first), 'steps', plan(costs)));
}

await main(process.argv.slice(2));
