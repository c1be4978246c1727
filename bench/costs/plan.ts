import { figure, type Cost } from './table.ts';

/**
 * Calculates the second table of docs/scale.md: the load of a district, a region, a city and a country. Uses the
 * measured costs, and assumptions about schools.
 */

interface Step {
  name: string;
  schools: number;
  pupils: number;
  staff: number;
  /** The share of schools that have their peak load at the same time. Less than 1 in a country with eleven time zones. */
  together: number;
}

const steps: readonly Step[] = [
  { name: 'district', schools: 40, pupils: 425, staff: 60, together: 1 },
  { name: 'region', schools: 450, pupils: 425, staff: 60, together: 1 },
  { name: 'city', schools: 700, pupils: 1500, staff: 120, together: 1 },
  { name: 'country, one database', schools: 40_000, pupils: 425, staff: 60, together: 0.7 },
];

/** Maximum number of streams (open subscriptions) of one server process. */
const streamsPerProcess = 10_000;
/** At least two processes: if one stops, the other takes over. */
const minProcesses = 2;

type Row = [what: string, how: string, value: number];

function planOf(costs: readonly Cost[], { schools, pupils, staff, together }: Step): Row[] {
  const cost = new Map(costs.map((each) => [each.name, each]));
  const s = (name: string) => cost.get(name)!.server!;
  const p = (name: string) => cost.get(name)!.postgres!;

  const accounts = schools * (pupils + staff);
  const streams = schools * (0.5 * staff + 0.2 * pupils) * together;
  const openings = ((accounts * 0.25) / 900) * together;
  const messages = ((accounts * 2 * 0.05) / 900) * together;
  const enrolled = ((schools * pupils * 0.2) / 3600) * together;
  const changes = messages + enrolled;
  const events = accounts * (2 * 210 + 24) + 4 * schools * pupils;
  const processes = Math.max(minProcesses, Math.ceil(streams / streamsPerProcess));
  const stamps = openings + processes * Math.min(71, streams / processes / 300);
  const wakes = Math.min(40 * processes, changes);
  const [everywhere, inTwo] = [Math.min(processes, streams / schools), Math.min(processes, 2)];
  const followedSchools = (following: number) => (following === everywhere ? schools : (schools * inTwo) / processes);
  const own = accounts * (p('b_user') + p('b_grant') + 2 * p('b_member') + 12 * p('b_session')) + schools * pupils * p('b_enrolment');

  const server = (following: number) =>
    (openings * (10 * s('r_small') + 0.1 * s('r_nested') + s('s_open')) +
      changes * (s('w_enrol') + following * s('s_event') + 10 * s('s_message')) +
      (processes * s('i_process') + streams * s('i_stream')) / 60 +
      processes * wakes * s('n_wake')) /
    1000;
  const postgres = (following: number) =>
    (openings * (10 * p('r_small') + 0.1 * p('r_nested') + p('s_open')) +
      changes * (p('w_enrol') + following * p('s_event')) +
      (processes * p('i_process') + streams * p('i_stream')) / 60 +
      processes * wakes * p('n_wake') +
      stamps * p('i_stamp') +
      processes * followedSchools(following) * p('i_poll')) /
    1000;

  return [
    ['accounts', '`schools` × (`pupils` + `staff`)', accounts],
    ['streams open at the peak', '`schools` × (0.5 `staff` + 0.2 `pupils`) × `together`', streams],
    ['frontends opened, 1/s', '0.25 `accounts` / 900 s × `together`', openings],
    ['messages, 1/s', '2 × 0.05 `accounts` / 900 s × `together`', messages],
    ['enrolments in the worst hour, 1/s', '0.2 × `schools` × `pupils` / 3,600 s × `together`', enrolled],
    ['processes', '`streams` / 10,000, at least 2', processes],
    [
      'memory of the processes, GiB',
      '`processes` × `m_process` + `streams` × `m_stream`',
      (processes * s('m_process')) / 1024 + (streams * s('m_stream')) / 2 ** 30,
    ],
    ['cores of the processes, every school followed in every process', 'see below, *f* = `processes`', server(everywhere)],
    ['cores of the processes, a school followed in two', 'see below, *f* = 2', server(inTwo)],
    ['cores of PostgreSQL, every school followed in every process', 'see below, *f* = `processes`', postgres(everywhere)],
    ['cores of PostgreSQL, a school followed in two', 'see below, *f* = 2', postgres(inTwo)],
    ['… of these, wakes', '`processes` × `wakes` × `n_wake`', (processes * wakes * p('n_wake')) / 1000],
    ['one process’s core spent on others’ wakes', '`wakes` × `n_wake`', (wakes * s('n_wake')) / 1000],
    ['connections', '`processes` × `c_process`', processes * p('c_process')],
    ['memory of the connections, GiB', '`connections` × `m_backend`', (processes * p('c_process') * p('m_backend')) / 1024],
    ['commits, 1/s', 'changes + `openings` + 1.43 `processes`', changes + openings + processes / 0.7],
    ['sessions said to be in use, 1/s', '`openings` + `processes` × min(71, `streams` / `processes` / 300)', stamps],
    ['WAL of the peak, MB/s', 'changes × `w_wal` + the line above × `i_wal`', (changes * p('w_wal') + stamps * p('i_wal')) / 1e6],
    ['commits of one school, 1/s', 'changes / `schools` / `together`', changes / schools / together],
    ['events a year, millions', '`accounts` × (2 × 210 + 24) + 4 `schools` × `pupils`', events / 1e6],
    ['log of a year, GB', '`events` × `b_event`', (events * p('b_event')) / 1e9],
    ['other rows, GB', '`accounts` × (`b_user` + `b_grant` + 2 `b_member` + 12 `b_session`) + pupils × `b_enrolment`', own / 1e9],
    ['WAL of a school day’s messages, GB', '2 `accounts` × `w_wal`', (2 * accounts * p('w_wal')) / 1e9],
    ['seconds of each hour to delete expired data', '`events` / 8,760 × `d_event`', ((events / 8760) * p('d_event')) / 1000],
  ];
}

/** Renders the second table of docs/scale.md. */
export function plan(costs: readonly Cost[]): string {
  const columns = steps.map((step) => planOf(costs, step));
  return [
    `| | how | ${steps.map(({ name }) => name).join(' | ')} |`,
    `|---|---|${steps.map(() => '---|').join('')}`,
    ...columns[0]!.map(([what, how], n) => `| ${what} | ${how} | ${columns.map((rows) => figure(rows[n]![2])).join(' | ')} |`),
  ].join('\n');
}
