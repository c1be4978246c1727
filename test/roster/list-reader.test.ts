import { describe, expect, it } from 'vitest';
import { codesOf, csv, placesOf, readBytes } from '../support/roster-files.ts';

/** The reader accepts the Russian list in the many forms in which people make it. */

const rows = [
  'Фамилия;Имя;Отчество;Класс;Дата рождения;Дата зачисления;№ приказа',
  'Иванов;Иван;Иванович;5А;01.02.2015;01.09.2026;12-у',
  'Смирнова;Анна;;5 «б»;2015-03-04;;',
];
const text = csv(...rows);

/** Encodes a text as Windows-1251, where all Russian letters except Ё and ё are in one block. */
const windows1251 = (value: string): Buffer =>
  Buffer.from(
    [...value].map(
      (letter) =>
        ({ Ё: 0xa8, ё: 0xb8, '№': 0xb9, '«': 0xab, '»': 0xbb })[letter] ??
        (letter >= 'А' && letter <= 'я' ? letter.charCodeAt(0) - 0x410 + 0xc0 : letter.charCodeAt(0)),
    ),
  );

const utf16 = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text.replaceAll(';', '\t'), 'utf16le')]);

describe('a list', () => {
  it('gives people, classes and enrolments with their lines', async () => {
    const roster = await readBytes(text);
    expect(roster.errors).toEqual({ list: [], total: 0 });
    expect(roster.warnings).toEqual({ list: [], total: 0 });
    expect(roster.format).toBe('LIST');
    expect(roster.covers).toEqual({ students: true, staff: false, classes: false, enrolments: true, assignments: false });
    const at = (line: number) => ({ file: 'список.csv', line });
    const common = { roles: ['STUDENT'], isActive: true, hasError: false };
    expect(roster.people).toEqual([
      { key: 'line:2', surname: 'Иванов', givenName: 'Иван', patronymic: 'Иванович', birthDate: '2015-02-01', ...common, at: at(2) },
      { key: 'line:3', surname: 'Смирнова', givenName: 'Анна', patronymic: null, birthDate: '2015-03-04', ...common, at: at(3) },
    ]);
    expect(roster.classes.map(({ key, grade, letter }) => [key, grade, letter])).toEqual([
      ['class:5А', 5, 'А'],
      ['class:5Б', 5, 'Б'],
    ]);
    expect(roster.enrolments).toEqual([
      { person: 'line:2', class: 'class:5А', startedOn: '2026-09-01', orderNumber: '12-у', isActive: true, at: at(2) },
      { person: 'line:3', class: 'class:5Б', isActive: true, at: at(3) },
    ]);
  });

  it.each<[title: string, content: string | Buffer, warnings: string[]]>([
    ['a byte order mark', `\ufeff${text}`, ['BYTE_ORDER_MARK']],
    ['Windows-1251', windows1251(text), ['ENCODING_WINDOWS_1251']],
    ['UTF-16, as Excel calls Unicode text', utf16, ['ENCODING_UTF_16']],
    ['commas', text.replaceAll(';', ','), []],
    ['tabs', text.replaceAll(';', '\t'), []],
    ['line feeds alone', text.replaceAll('\r', ''), []],
    ['carriage returns alone', text.replaceAll('\n', ''), ['LINE_ENDS']],
    ['no line end after the last row', text.trimEnd(), []],
    ['quotation marks around all cells', text.replace(/[^;\r\n]+/g, '"$&"'), []],
    ['the first line of Excel', `sep=;\r\n${text}`, []],
    ['titles and blank lines above', csv('Список обучающихся;;;;;;', ';;;;;;', '') + text, []],
    ['empty cells behind', text.replaceAll('\r\n', ';;\r\n'), []],
    ['other case and spaces in headings', text.replace('Фамилия', ' ФАМИЛИЯ ').replace('№ приказа', 'Номер приказа'), []],
    ['a mistyped heading', text.replace('Фамилия', 'Фамиля'), ['HEADING_CORRECTED']],
  ])('is read with %s', async (_title, content, warnings) => {
    const expected = await readBytes(text);
    const roster = await readBytes(content);
    const withoutLines = (value: object) =>
      JSON.parse(
        JSON.stringify(value)
          .replace(/"line":\d+|line:\d+/g, (found) => found.slice(0, 6))
          .replaceAll('"line"}', '"line":0}'),
      ) as unknown;
    expect(codesOf(roster.warnings)).toEqual(warnings);
    expect(roster.errors.list).toEqual([]);
    expect(withoutLines(roster.people.map(({ at: _, key: __, ...person }) => person))).toEqual(
      withoutLines(expected.people.map(({ at: _, key: __, ...person }) => person)),
    );
    expect(roster.enrolments.map(({ class: key, startedOn, orderNumber }) => [key, startedOn, orderNumber])).toEqual(
      expected.enrolments.map(({ class: key, startedOn, orderNumber }) => [key, startedOn, orderNumber]),
    );
  });

  it('counts physical lines, also behind a cell of several lines', async () => {
    const roster = await readBytes(csv('ФИО;Класс', '"Иванов\r\nИван";5А', '', 'Смирнова Анна;13А'));
    expect(roster.people.map(({ surname, givenName, at }) => [surname, givenName, at.line])).toEqual([
      ['Иванов', 'Иван', 2],
      ['Смирнова', 'Анна', 5],
    ]);
    expect(placesOf(roster.errors)).toEqual(['CLASS_NAME_INVALID список.csv:5']);
  });

  it('splits a full name in one column', async () => {
    const roster = await readBytes(csv('№;ФИО;Класс', '1;Мамедов Али Расим оглы;5А', '2;Римский-Корсаков Николай;5А'));
    expect(roster.people.map(({ surname, givenName, patronymic }) => [surname, givenName, patronymic])).toEqual([
      ['Мамедов', 'Али', 'Расим оглы'],
      ['Римский-Корсаков', 'Николай', null],
    ]);
  });

  it('takes the class from two columns', async () => {
    const roster = await readBytes(csv('ФИО;Параллель;Литера', 'Иванов Иван;05;А'));
    expect(roster.classes.map(({ grade, letter }) => [grade, letter])).toEqual([[5, 'А']]);
    expect(roster.covers.enrolments).toBe(true);
  });

  it('reads staff, and the classes that they lead', async () => {
    const roster = await readBytes(
      csv('ФИО;Класс;Роль', 'Петрова Мария;5А, 5Б;учитель', 'Орлов Олег;;Директор, учитель', 'Иванов Иван;5А;'),
    );
    expect(roster.people.map(({ roles }) => roles)).toEqual([['TEACHER'], ['TEACHER', 'SCHOOL_ADMINISTRATION'], ['STUDENT']]);
    expect(roster.assignments.map(({ person, class: key, kind }) => [person, key, kind])).toEqual([
      ['line:2', 'class:5А', 'CLASS_TEACHER'],
      ['line:2', 'class:5Б', 'CLASS_TEACHER'],
    ]);
    expect(roster.warnings.list).toEqual([]);
  });

  it('warns of what it does not use, of logins and passwords, and of formulas', async () => {
    const roster = await readBytes(csv('ФИО;Класс;СНИЛС;Логин;Пароль', "=cmd|' /C calc'!A0 Иван;5А;1;ivanov;secret", 'Орлов Олег;;2;;'));
    expect(placesOf(roster.warnings)).toEqual([
      'COLUMN_IGNORED список.csv:1',
      'FORMULA_CELL список.csv:2',
      'PASSWORDS_IGNORED список.csv:2',
      'PASSWORDS_IGNORED список.csv:2',
      'CLASS_EMPTY список.csv:3',
    ]);
    expect(JSON.stringify(roster)).not.toContain('secret');
  });

  it('takes full namesakes of two classes for two people, with a warning', async () => {
    const roster = await readBytes(csv('ФИО;Класс', 'Иванов Иван;5А', 'Иванов Иван;5Б'));
    expect(roster.people).toHaveLength(2);
    expect(placesOf(roster.warnings)).toEqual(['NAMESAKES список.csv:3']);
    expect(roster.errors.list).toEqual([]);
  });

  it('tells namesakes by birth date and by id', async () => {
    const roster = await readBytes(
      csv('ID;ФИО;Класс;Дата рождения', ';Иванов Иван;5А;01.02.2015', ';Иванов Иван;5А;01.02.2016', '7;Орлов Олег;5А;', '8;Орлов Олег;5А;'),
    );
    expect(roster.people).toHaveLength(4);
    expect([...roster.warnings.list, ...roster.errors.list]).toEqual([]);
  });

  it('covers nothing if it is only a part', async () => {
    const roster = await readBytes(text, { isPartial: true });
    expect(Object.values(roster.covers)).not.toContain(true);
  });

  it('reads people without a column of classes, and covers no enrolments', async () => {
    const roster = await readBytes(csv('lastName,firstName', 'Dyer,Tyrone'));
    expect(codesOf(roster.warnings)).toEqual(['NO_CLASS_COLUMN']);
    expect(roster.covers).toMatchObject({ students: true, enrolments: false });
  });
});
