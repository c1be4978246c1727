import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { writeList } from '../../src/roster/list-writer.ts';
import { arbitraryRoster, withoutPlaces } from '../support/arbitrary-rosters.ts';
import { codesOf, csv, placesOf, readBytes } from '../support/roster-files.ts';

/** The writer makes the Russian list for Excel. The reader reads the same people from it. */

const source = csv(
  'ID;ФИО;Класс;Дата рождения;Дата зачисления;№ приказа;Роль',
  'p1;Иванов Иван Иванович;5А;01.02.2015;01.09.2026;12;',
  't1;Петрова Мария;5А, 5Б;;;;учитель',
);

describe('writeList', () => {
  it('writes UTF-8 with a byte order mark, semicolons and CRLF', async () => {
    const text = writeList(await readBytes(source)).toString();
    expect(text).toBe(
      `\ufeff${csv(
        'ID;Фамилия;Имя;Отчество;Дата рождения;Класс;Дата зачисления;№ приказа;Роль;Эл. почта',
        'p1;Иванов;Иван;Иванович;01.02.2015;5А;01.09.2026;12;ученик;',
        't1;Петрова;Мария;;;5А, 5Б;;;учитель;',
      )}`,
    );
  });

  it('writes what its reader reads as an equal roster', async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryRoster('list'), async (roster) => {
        const read = await readBytes(writeList(roster));
        expect(placesOf(read.errors)).toEqual([]);
        expect(codesOf(read.warnings).filter((code) => code !== 'BYTE_ORDER_MARK' && code !== 'CLASS_EMPTY')).toEqual([]);
        expect(withoutPlaces(read)).toEqual(withoutPlaces(roster));
      }),
      { numRuns: 100 },
    );
  });

  it.each(["=cmd|' /C calc'!A0", '+7А', '-А', '@Имя', "'=А", "''=А", '＝Б'])('makes %s inert, and reads it as it was', async (surname) => {
    const roster = await readBytes(source);
    const bytes = writeList({ ...roster, people: roster.people.map((person) => ({ ...person, surname })) });
    for (const cells of parse(bytes, { delimiter: ';', bom: true }))
      for (const cell of cells) expect(cell).not.toMatch(/^[=+\-@\t\r＝＋－＠]/u);
    expect((await readBytes(bytes)).people.map((person) => person.surname)).toEqual([surname, surname]);
  });
});
