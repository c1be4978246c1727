import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readRoster } from '../../../src/roster/read-roster.ts';
import { maxNotices, type Roster } from '../../../src/roster/roster.ts';
import { changed, codesOf, csv, oneRoster12, placesOf, readBytes, readZip, zipOf } from '../../support/roster-files.ts';

/** Reading a mangled file gives a code and a line that tell what is wrong, and never throws. */

const headings = 'ID;Фамилия;Имя;Отчество;Класс;Дата рождения;Дата зачисления;Роль';
const pupil = '1;Иванов;Иван;Иванович;5А;01.02.2015;01.09.2026;';
const list = (...lines: string[]) => readBytes(csv(headings, pupil, ...lines));

const folder = mkdtempSync(join(tmpdir(), 'sfera-rosters-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Creates a sparse file of this size, which occupies no disk space. */
function sparseFile(bytes: number): string {
  const path = join(folder, 'huge.csv');
  writeFileSync(path, '');
  truncateSync(path, bytes);
  return path;
}

/** Replaces numbers in the first entry of the central directory. @param values new numbers, by offset in the entry. */
function withEntryField(zip: Buffer, values: Readonly<Record<number, number>>): Buffer {
  const entry = zip.indexOf('PK\x01\x02', 0, 'latin1');
  for (const [offset, value] of Object.entries(values)) zip.writeUInt32LE(value, entry + Number(offset));
  return zip;
}

const compressedSize = 20;
const uncompressedSize = 24;
const megabyte = 1024 * 1024;

/** Replaces a name in the whole archive by another name of the same length. */
const renamed = (zip: Buffer, from: string, to: string): Buffer => Buffer.from(zip.toString('latin1').replaceAll(from, to), 'latin1');

async function encrypted(): Promise<Buffer> {
  const zip = await zipOf(oneRoster12);
  const entry = zip.indexOf('PK\x01\x02', 0, 'latin1');
  zip.writeUInt16LE(zip.readUInt16LE(entry + 8) | 1, entry + 8);
  return zip;
}

async function corrupted(): Promise<Buffer> {
  const zip = await zipOf(oneRoster12);
  const data = zip.indexOf('manifest.csv') + 'manifest.csv'.length + 20;
  zip.writeUInt8(zip.readUInt8(data) ^ 0xff, data);
  return zip;
}

async function* megabytes(count: number): AsyncGenerator<Uint8Array> {
  const chunk = new Uint8Array(megabyte);
  for (let n = 0; n < count; n += 1) yield chunk;
}

const archive = (bytes: Buffer) => readBytes(bytes, {}, 'roster.zip');

const wholeFiles: [title: string, read: () => Promise<Roster>, error: string][] = [
  ['a path without a file', () => readRoster({ path: join(folder, 'nothing.csv') }), 'NOTHING_TO_READ nothing.csv'],
  ['0 bytes', () => readBytes(''), 'FILE_EMPTY список.csv'],
  ['an empty file in an archive', () => readZip({ ...oneRoster12, 'users.csv': '' }), 'FILE_EMPTY users.csv'],
  ['a file of more than 200 MB', () => readRoster({ path: sparseFile(200 * megabyte + 1) }), 'FILE_TOO_LARGE huge.csv'],
  ['a stream of more than 200 MB', () => readRoster({ name: 'поток.csv', stream: megabytes(201) }), 'FILE_TOO_LARGE поток.csv'],
  ['bytes that are no text', () => readBytes(Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 0x10, 0x4a])), 'FILE_BINARY список.csv'],
  ['an old workbook of Excel', () => readBytes(Buffer.from('d0cf11e0a1b11ae1', 'hex')), 'SPREADSHEET список.csv'],
  [
    'a new workbook of Excel',
    async () => archive(await zipOf({ 'xl/workbook.xml': '<workbook/>', '[Content_Types].xml': '<Types/>' })),
    'SPREADSHEET roster.zip',
  ],
  ['an archive of something else', () => readZip({ 'readme.txt': 'text', 'a.csv': 'a', 'b.csv': 'b' }), 'FORMAT_UNKNOWN roster.zip'],
  ['another format than stated', () => readBytes(csv(headings, pupil), { format: 'ONE_ROSTER_1_2' }), 'FORMAT_MISMATCH список.csv'],
  [
    'OneRoster 1.0',
    () => readZip(changed('manifest.csv', ['oneroster.version,1.2', 'oneroster.version,1.0'])),
    'VERSION_UNKNOWN manifest.csv:3',
  ],
  [
    'a mode that does not exist',
    () => readZip(changed('manifest.csv', ['file.users,bulk', 'file.users,full'])),
    'MANIFEST_INVALID manifest.csv:9',
  ],
  [
    'a file of the manifest that is missing',
    () => readZip(changed('manifest.csv', ['file.demographics,absent', 'file.demographics,bulk'])),
    'FILE_MISSING demographics.csv',
  ],
  ['no headings', () => readBytes(csv('Иванов;Иван;5А', 'Петров;Пётр;5Б')), 'HEADINGS_UNKNOWN список.csv'],
  ['a missing column', () => readZip(changed('users.csv', ['familyName', 'nickname'])), 'COLUMN_MISSING users.csv:1'],
  ['a column twice', () => readBytes(csv('Фамилия;Имя;Имя', 'Иванов;Иван;Иван')), 'COLUMN_DUPLICATE список.csv:1'],
  ['an open quotation mark', () => list('2;"Петров;Пётр;;5Б;;;', '3;Орлов;Олег;;5Б;;;'), 'QUOTE_NOT_CLOSED список.csv:3'],
  ['a line without an end', () => list(`2;${'Петров'.repeat(20_000)};Пётр;;5Б;;;`), 'ROW_TOO_LONG список.csv:3'],
  [
    'several schools',
    () => readZip(changed('orgs.csv', ['school,,', 'school,,\r\ns2,,,Школа № 2,school,,'])),
    'SCHOOL_NOT_CHOSEN orgs.csv',
  ],
  ['half an archive', async () => archive((await zipOf(oneRoster12)).subarray(0, 700)), 'ZIP_DAMAGED roster.zip'],
  ['an archive with a changed byte', async () => archive(await corrupted()), 'ZIP_DAMAGED manifest.csv'],
  ['an encrypted archive', async () => archive(await encrypted()), 'ZIP_ENCRYPTED roster.zip'],
  ['an unusual compression', async () => archive(withEntryField(await zipOf(oneRoster12), { 10: 14 })), 'ZIP_METHOD roster.zip'],
  ['a name with ../', async () => archive(renamed(await zipOf({ 'xx/users.csv': 'a' }), 'xx/users', '../users')), 'ZIP_PATH roster.zip'],
  ['a name with ..\\', async () => archive(renamed(await zipOf({ 'xx/users.csv': 'a' }), 'xx/users', '..\\users')), 'ZIP_PATH roster.zip'],
  ['an absolute name', async () => archive(renamed(await zipOf({ 'x/users.csv': 'a' }), 'x/users', '//users')), 'ZIP_PATH roster.zip'],
  [
    'a name with a drive',
    async () => archive(renamed(await zipOf({ 'xx/users.csv': 'a' }), 'xx/users', 'C:/users')),
    'ZIP_PATH roster.zip',
  ],
  [
    'more than 50 files',
    async () => readZip(Object.fromEntries(Array.from({ length: 51 }, (_, n) => [`${n}.csv`, 'a']))),
    'ZIP_TOO_MANY_FILES roster.zip',
  ],
  [
    'more than 200 MB unpacked',
    async () => archive(withEntryField(await zipOf(oneRoster12), { [compressedSize]: 9 * megabyte, [uncompressedSize]: 250 * megabyte })),
    'ZIP_TOO_LARGE roster.zip',
  ],
  ['a ZIP bomb', () => readZip({ 'manifest.csv': Buffer.alloc(10 * megabyte, 0x20) }), 'ZIP_BOMB manifest.csv'],
  [
    'a ZIP bomb that lies about its size',
    async () => archive(withEntryField(await zipOf({ 'manifest.csv': Buffer.alloc(10 * megabyte, 0x20) }), { [uncompressedSize]: 1000 })),
    'ZIP_DAMAGED manifest.csv',
  ],
  ['a file twice', () => readZip({ ...oneRoster12, 'Users.csv': oneRoster12['users.csv']! }), 'FILE_DUPLICATE roster.zip'],
];

const rows: [title: string, read: () => Promise<Roster>, error: string][] = [
  ['a ragged row', () => list('2;Петров;Пётр;5Б'), 'ROW_RAGGED список.csv:3'],
  ['a row with a cell too many', () => list('2;Петров;Пётр;;5Б;;;;;лишнее'), 'ROW_RAGGED список.csv:3'],
  ['no id', () => readZip(changed('users.csv', ['p2,,,', ',,,true,p9,Пётр,Петров,,\r\np2,,,'])), 'ID_EMPTY users.csv:4'],
  ['an id twice', () => readZip(changed('users.csv', ['p2,,,', 'p1,,,true,p9,Пётр,Петров,,\r\np2,,,'])), 'ID_DUPLICATE users.csv:4'],
  ['an id twice in a list', () => list('1;Петров;Пётр;;5Б;;;'), 'ID_DUPLICATE список.csv:3'],
  [
    'an enrolment of an unknown person',
    () => readZip(changed('enrollments.csv', ['s1,p3', 's1,p9'])),
    'REFERENCE_MISSING enrollments.csv:4',
  ],
  ['an enrolment in an unknown class', () => readZip(changed('enrollments.csv', ['c5b', 'c5x'])), 'REFERENCE_MISSING enrollments.csv:4'],
  ['a role of an unknown person', () => readZip(changed('roles.csv', ['r4,,,p3', 'r4,,,p9'])), 'REFERENCE_MISSING roles.csv:5'],
  ['a class of an unknown course', () => readZip(changed('classes.csv', ['05,m,', '05,x,'])), 'REFERENCE_MISSING classes.csv:4'],
  [
    'organisations in a circle',
    () => readZip(changed('orgs.csv', ['school,,', 'school,,d1\r\nd1,,,Район,district,,d2\r\nd2,,,Округ,district,,d1'])),
    'ORG_CYCLE orgs.csv:3',
  ],
  ['an organisation below an unknown one', () => readZip(changed('orgs.csv', ['school,,', 'school,,d9'])), 'REFERENCE_MISSING orgs.csv:2'],
  ['a status that does not exist', () => readZip(changed('users.csv', ['p2,,,', 'p2,gone,,'])), 'VALUE_UNKNOWN users.csv:4'],
  [
    'enabledUser that is neither true nor false',
    () => readZip(changed('users.csv', ['p2,,,true', 'p2,,,maybe'])),
    'VALUE_UNKNOWN users.csv:4',
  ],
  ['no surname', () => list('2;;Пётр;;5Б;;;'), 'NAME_EMPTY список.csv:3'],
  ['a full name of one word', () => readBytes(csv('ФИО;Класс', 'Петров Пётр;5А', 'Иванов;5А')), 'NAME_EMPTY список.csv:3'],
  ['a name without a letter', () => list('2;Петров;42;;5Б;;;'), 'NAME_INVALID список.csv:3'],
  ['a day that does not exist', () => list('2;Петров;Пётр;;5Б;30.02.2015;;'), 'DATE_INVALID список.csv:3'],
  ['a year of two digits', () => list('2;Петров;Пётр;;5Б;;01.09.26;'), 'DATE_INVALID список.csv:3'],
  ['a class of grade 12', () => list('2;Петров;Пётр;;12А;;;'), 'CLASS_NAME_INVALID список.csv:3'],
  ['a class without a letter', () => list('2;Петров;Пётр;;5;;;'), 'CLASS_NAME_INVALID список.csv:3'],
  ['two classes in one cell', () => list('2;Петров;Пётр;;5А, 5Б;;;'), 'CLASS_NAME_INVALID список.csv:3'],
  ['a homeroom that is no class', () => readZip(changed('classes.csv', ['5Б,05', 'Астрономия,'])), 'CLASS_NAME_INVALID classes.csv:3'],
  ['a class twice', () => readZip(changed('classes.csv', ['5Б', '5 «а»'])), 'CLASS_DUPLICATE classes.csv:3'],
  ['an unknown role', () => list('2;Петров;Пётр;;5Б;;;космонавт'), 'ROLE_UNKNOWN список.csv:3'],
  ['a person twice', () => readBytes(csv('ФИО;Класс', 'Иванов Иван;5А', 'ИВАНОВ Иван;5-А')), 'PERSON_DUPLICATE список.csv:3'],
  ['a pupil in two classes of a list', () => list('1;Иванов;Иван;Иванович;5Б;01.02.2015;;'), 'TWO_CLASSES список.csv:3'],
  [
    'a pupil in two classes of a list without ids',
    () => readBytes(csv('ФИО;Класс;Дата рождения', 'Иванов Иван;5А;01.02.2015', 'Иванов Иван;5Б;2015-02-01')),
    'TWO_CLASSES список.csv:3',
  ],
  ['a pupil in two homerooms', () => readZip(changed('enrollments.csv', ['m5a,s1,p1', 'c5b,s1,p1'])), 'TWO_CLASSES enrollments.csv:7'],
];

describe('a mangled file', () => {
  it.each(wholeFiles)('%s is refused as a whole', async (_title, read, error) => {
    const roster = await read();
    expect(placesOf(roster.errors)).toContain(error);
    expect(roster.people).toEqual([]);
    expect(Object.values(roster.covers)).not.toContain(true);
  });

  it.each(rows)('%s is refused with its line', async (_title, read, error) => {
    const roster = await read();
    expect(placesOf(roster.errors)).toEqual([error]);
    expect(roster.people.length).toBeGreaterThan(0);
    for (const [ru, en] of roster.errors.list.map(({ message }) => message)) {
      expect(ru).toMatch(/[а-я].*[.:!]/);
      expect(en).toMatch(/[a-z].*[.:!]/);
    }
  });

  it('has one of at least 30 codes', () => {
    const codes = new Set([...wholeFiles, ...rows].map(([, , error]) => error.split(' ')[0]));
    expect(codes.size).toBeGreaterThanOrEqual(30);
  });

  it('keeps 1,000 notices and the true number', async () => {
    const { errors } = await list(...Array.from({ length: 1500 }, (_, n) => `${n + 2};Петров${n};Пётр;;13А;;;`));
    expect(errors.list).toHaveLength(maxNotices);
    expect(errors.total).toBe(1500);
  });

  it('makes nobody look missing: a person with an error is marked, and a lost row ends the coverage', async () => {
    const marked = await list('2;Петров;Пётр;;12А;;;');
    expect(marked.people.map(({ externalId, hasError }) => [externalId, hasError])).toEqual([
      ['1', false],
      ['2', true],
    ]);
    expect(marked.covers).toMatchObject({ students: true, enrolments: true });
    const lost = await list('2;;Пётр;;5А;;;');
    expect(lost.covers).toMatchObject({ students: false, enrolments: false });
    const dangling = await readZip(changed('enrollments.csv', ['c5b', 'c5x']));
    expect(dangling.people.filter(({ hasError }) => hasError).map(({ externalId }) => externalId)).toEqual(['p3']);
  });

  it('quotes at most 60 characters of a value, and no name of a person', async () => {
    const { errors } = await list(`2;Петров;Пётр;;${'Щ'.repeat(500)};;;`);
    expect(codesOf(errors)).toEqual(['CLASS_NAME_INVALID']);
    expect(errors.list[0]!.message.join(' ')).not.toMatch(/Щ{61}|Петров|Пётр/);
  });
});
