import { expect, it } from 'vitest';
import { PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { writeOneRoster } from '../../../src/roster/one-roster-writer.ts';
import type { Roster } from '../../../src/roster/roster.ts';
import { csv, placesOf, readBytes } from '../../support/roster-files.ts';

/** A large list takes little memory, and its reading time grows in proportion to its rows. */

const letters = [...'АБВГД'];
const pupils = Array.from(
  { length: 1500 },
  (_, n) => `${n};Фамилия${n};Имя;Отчество;${(n % 11) + 1}${letters[n % 5]};0${(n % 9) + 1}.02.2015;01.09.2026;12-у`,
);
const list = csv('ID;Фамилия;Имя;Отчество;Класс;Дата рождения;Дата зачисления;№ приказа', ...pupils);

const school = { externalId: 's', name: 'Школа', year: { startsOn: '2026-09-01', endsOn: '2027-08-31' } };

async function write(roster: Roster): Promise<Buffer> {
  const output = new PassThrough();
  const [bytes] = await Promise.all([buffer(output), writeOneRoster(roster, school, output)]);
  return bytes;
}

it('keeps at most 10 MB for a list of 1,500 pupils', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  await readBytes(list);
  collect();
  const before = process.memoryUsage().heapUsed;
  const roster = await readBytes(list);
  collect();
  const kept = process.memoryUsage().heapUsed - before;
  expect(roster.people).toHaveLength(1500);
  expect(placesOf(roster.errors)).toEqual([]);
  expect(kept).toBeLessThan(10 * 1024 * 1024);
});

it('reads back the 1,500 pupils that it wrote as OneRoster', async () => {
  const roster = await readBytes(list);
  const read = await readBytes(await write(roster), {}, 'export.zip');
  expect(placesOf(read.errors)).toEqual([]);
  expect(read.people).toHaveLength(1500);
  expect(read.enrolments).toHaveLength(1500);
  expect(read.classes).toHaveLength(roster.classes.length);
});

it('refuses a file of more than 200,000 rows', async () => {
  const roster = await readBytes(`Фамилия;Имя\n${'Иванов;Иван\n'.repeat(200_001)}`);
  expect(placesOf(roster.errors)).toContain('TOO_MANY_ROWS список.csv:200001');
  expect(roster.people).toEqual([]);
});

it.each<[title: string, row: (n: number) => string]>([
  ['namesakes', (n) => `;Иванов;Иван;${(n % 11) + 1}А${n}`],
  ['one person', () => `;Иванов;Иван;5А`],
  ['one id', (n) => `1;Иванов${n};Иван;5А`],
  ['classes', (n) => `${n};Иванов${n};Иван;5А${n}`],
])('takes time in proportion for 30,000 rows of %s', async (_title, row) => {
  const content = csv('ID;Фамилия;Имя;Класс', ...Array.from({ length: 30_000 }, (_, n) => row(n)));
  const startedAt = process.cpuUsage();
  await readBytes(content);
  const { user } = process.cpuUsage(startedAt);
  // Microseconds of CPU time. Measured: 0.3 to 0.7 s; more than 10 s with quadratic comparisons.
  expect(user).toBeLessThan(5_000_000);
});
