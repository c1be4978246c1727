import { mkdirSync, writeFileSync } from 'node:fs';
import type { MeasuredResult, Results } from './measures.ts';

/** Writes docs/performance.md and its plots from the results. */

const docs = new URL('../docs/', import.meta.url);

const figure = (value: number): string => (value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3));
const escape = (text: string): string => text.replace(/&/g, '&amp;').replace(/</g, '&lt;');

/**
 * Draws a bar chart as SVG. A bar shows the median, and a line the minimum and the maximum. The colours are legible on
 * light and dark backgrounds.
 */
function plot({ title, unit, better, ours, peers, limit }: MeasuredResult): string {
  const bars = [
    { name: 'Sfera', of: ours, colour: '#2f9e77' },
    ...Object.entries(peers).map(([name, of]) => ({ name, of, colour: '#7d8ba0' })),
    ...(limit === undefined ? [] : [{ name: 'limit', of: limit, colour: '#b58a2b' }]),
  ];
  const [left, width, height] = [140, 760, 34];
  const maxValue = Math.max(...bars.map(({ of }) => of.high));
  const x = (value: number) => left + (value / maxValue) * (width - left - 110);
  const rows = bars.map(({ name, of, colour }, n) => {
    const y = 44 + n * height;
    return [
      `<text x="${left - 10}" y="${y + 15}" text-anchor="end">${escape(name)}</text>`,
      `<rect x="${left}" y="${y}" width="${(x(of.median) - left).toFixed(1)}" height="20" rx="2" fill="${colour}"/>`,
      `<line x1="${x(of.low).toFixed(1)}" x2="${x(of.high).toFixed(1)}" y1="${y + 10}" y2="${y + 10}" stroke="#888" stroke-width="2"/>`,
      `<text x="${(x(of.high) + 8).toFixed(1)}" y="${y + 15}">${figure(of.median)}</text>`,
    ].join('');
  });
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${54 + bars.length * height}" role="img" font-family="sans-serif" font-size="13" fill="#888">` +
    `<title>${escape(title)}</title><text x="0" y="18" font-weight="bold">${escape(unit)}, ${better} is better</text>${rows.join('')}</svg>\n`
  );
}

const formatTarget = ({ target, unit }: MeasuredResult): string =>
  [
    ...(target.peer === undefined ? [] : [`≥ ${Number(target.peer.toFixed(2))} × the best peer`]),
    ...(target.limit === undefined ? [] : [`≥ ${target.limit} × the limit`]),
    ...(target.absolute === undefined ? [] : [`≤ ${target.absolute} ${unit}`]),
  ].join(', ') || 'complete delivery';

function section(measured: MeasuredResult): string {
  const { name, title, unit, ours, peers, limit, series, notes } = measured;
  const others = [...Object.entries(peers), ...(limit === undefined ? [] : [['limit', limit] as const])];
  const rows = [['Sfera', ours] as const, ...others].map(
    ([contender, { median, low, high }]) => `| ${contender} | ${figure(median)} | ${figure(low)} – ${figure(high)} |`,
  );
  const parts = [`## ${name}`, `${title}.`];
  if (others.length > 0)
    parts.push(`![${title}](performance/${name}.svg)`, ['| | median, ' + unit + ' | from – to |', '|---|---|---|', ...rows].join('\n'));
  if (series !== undefined) {
    const columns = [...new Set(Object.values(series.rows).flatMap((row) => Object.keys(row)))];
    const lines = Object.entries(series.rows).map(
      ([row, values]) =>
        `| ${row} | ${columns.map((column) => (values[column] === undefined ? '–' : figure(values[column]))).join(' | ')} |`,
    );
    parts.push(`${series.title}:`, [`| | ${columns.join(' | ')} |`, `|---|${columns.map(() => '---|').join('')}`, ...lines].join('\n'));
  }
  if (notes !== undefined) parts.push(notes);
  return parts.join('\n\n');
}

/** Lists the machines of the results, because measures may have run on different machines. */
function describeMachines(measures: readonly MeasuredResult[]): string {
  const names = new Map<string, string[]>();
  for (const {
    name,
    machine: { cores, processor, memoryGiB, node, postgres },
  } of measures) {
    const machine = `${cores} cores (${processor}), ${memoryGiB} GiB, Node ${node}, PostgreSQL ${postgres}`;
    names.set(machine, [...(names.get(machine) ?? []), name]);
  }
  return [...names].map(([machine, of]) => `Measured on ${machine}${names.size === 1 ? '' : `: ${of.join(', ')}`}.`).join('\n\n');
}

export function report({ measures }: Results): void {
  mkdirSync(new URL('performance/', docs), { recursive: true });
  for (const measured of measures)
    if (Object.keys(measured.peers).length > 0) writeFileSync(new URL(`performance/${measured.name}.svg`, docs), plot(measured));
  const ratio = (value: number | null) => (value === null ? '–' : value.toFixed(2));
  const summary = measures.map(
    (measured) =>
      `| [${measured.name}](#${measured.name}) | ${ratio(measured.ratioToBestPeer)} | ${ratio(measured.ratioToLimit)} | ${formatTarget(measured)} | ${measured.reached === null ? '–' : measured.reached ? 'reached' : '**not reached**'} | ${measured.date} at \`${measured.commit}\` |`,
  );
  const text = `# Performance

\`npm run bench\` generates this page from \`bench/results.json\`; do not edit it by hand. Compare the ratios, not the absolute values, because machines differ.

${describeMachines(measures)} Database, servers, load and listeners shared the machine.

\`\`\`sh
npm run bench                       # all measures, about twelve minutes; writes this page
npm run bench -- --quick            # rough values in less than a minute, to check that everything runs; does not write this page
npm run bench -- fan-out latency    # only these measures; the others keep their results
\`\`\`

The benchmark needs a PostgreSQL server, 15 or newer, on which it may create databases (\`PG_URL\`), and its own packages (\`npm ci --prefix bench\`). The product runs as in production, with rights, limits and logs; only
\`OPERATIONS_PER_MINUTE\` is raised, because one account sends the load of a whole city. The servers are measured alternately, A B C A B C, each in its own process, and every response is checked before and after.
The peers check no rights: Mercurius with graphql-jit and dataloader, PostGraphile 5 on the same tables, Apollo Server 5 and Yoga with dataloader, graphql-ws with an iterator in memory. The limit is the minimum that
any server has to do: for reads, one prepared statement that builds the JSON, behind node:http; for writes, the same statements in one transaction; for subscriptions, \`ws\` sending prepared bytes.

A ratio of 1 means equally good; higher is better. [profile.md](profile.md) explains where the time goes, and which optimisations helped.

| measure | ratio to the best peer | ratio to the limit | target | | measured |
|---|---|---|---|---|---|
${summary.join('\n')}

${measures.map(section).join('\n\n')}
`;
  writeFileSync(new URL('performance.md', docs), text);
}
