import { describe, expect, it } from 'vitest';
import { changed, codesOf, csv, placesOf, readBytes, readZip, zipOf, oneRoster12 } from '../../support/roster-files.ts';

/** Control characters and long ids of a file reach neither a message nor the database. */

describe('a notice', () => {
  it.each(['\u001b[31m', '\u0007', '\u009b2J', '\u202e', '\u2066', '\0'])(
    'quotes a heading without its control character: %j',
    async (text) => {
      const list = Buffer.from(`\ufeff${csv(`ФИО;Класс;Цвет${text}`, 'Иванов Иван;5А;')}`, 'utf16le');
      const { warnings } = await readBytes(list);
      expect(codesOf(warnings)).toContain('COLUMN_IGNORED');
      expect(JSON.stringify(warnings)).toContain('Цвет\ufffd');
      for (const { message } of warnings.list) expect(message.join('')).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u);
    },
  );

  it('names a file without control characters', async () => {
    const { errors } = await readBytes('', {}, 'a\u001b[31m\u202e.csv');
    expect(errors.list[0]!.file).toBe('a\ufffd[31m\ufffd.csv');
  });
});

it('refuses an archive with U+0000 in a name', async () => {
  const bytes = await zipOf({ ...oneRoster12, 'aXb.txt': 'x' });
  for (let at = bytes.indexOf('aXb.txt'); at >= 0; at = bytes.indexOf('aXb.txt', at)) bytes[at + 1] = 0;
  expect(codesOf((await readBytes(bytes, {}, 'roster.zip')).errors)).toEqual(['ZIP_PATH']);
});

describe('TEXT_INVALID', () => {
  const long = 'x'.repeat(101);

  it.each([
    ['U+0000 in an id', 'a\0;Иванов Иван;5А;1;'],
    ['U+0000 in a role', 'a;Иванов Иван;5А;1;Х\0Х'],
    ['U+0000 in an order number', 'a;Иванов Иван;5А;1\0;'],
    ['a long id', `${long};Иванов Иван;5А;1;`],
    ['a long order number', `a;Иванов Иван;5А;${long};`],
    ['an id that changes the direction of writing', '\u202ea;Иванов Иван;5А;1;'],
  ])('is the error of a row of a list with %s', async (_title, row) => {
    const list = csv('ID;ФИО;Класс;№ приказа;Роль', row, 'b;Орлов Олег;5А;2;');
    const roster = await readBytes(Buffer.from(`\ufeff${list}`, 'utf16le'));
    expect(placesOf(roster.errors)).toEqual(['TEXT_INVALID список.csv:2']);
    expect(roster.people.filter(({ hasError }) => !hasError).map(({ surname }) => surname)).toEqual(['Орлов']);
  });

  it('accepts 100 characters', async () => {
    const key = '😀'.repeat(100);
    expect((await readBytes(csv('ID;ФИО;Класс;№ приказа', `${key};Иванов Иван;5А;${key}`))).errors.total).toBe(0);
  });

  it('is the error of a user, a section and a course with a long id, but not of an enrolment', async () => {
    const users = await readZip(changed('users.csv', ['p3,', `${long},`]));
    expect(placesOf(users.errors)).toContain('TEXT_INVALID users.csv:5');
    expect(users.covers.students).toBe(false);
    const sections = await readZip(changed('classes.csv', ['c5b,', `${long},`]));
    expect(placesOf(sections.errors)).toContain('TEXT_INVALID classes.csv:3');
    const courses = await readZip(changed('classes.csv', [',m,', `,${long},`]));
    expect(placesOf(courses.errors)).toContain('TEXT_INVALID classes.csv:4');
    expect((await readZip(changed('enrollments.csv', ['e1,', `${long},`]))).errors.total).toBe(0);
  });
});
