import { buffer } from 'node:stream/consumers';
import type { Readable } from 'node:stream';
import { ZipFile } from 'yazl';
import { readRoster } from '../../src/roster/read-roster.ts';
import type { ReadRosterOptions } from '../../src/roster/read-options.ts';
import type { Roster, RosterNotices } from '../../src/roster/roster.ts';

/** Makes roster files for tests, and reads them. */

/** Returns a ZIP of these files. @param files their contents, by name. */
export async function zipOf(files: Readonly<Record<string, string | Buffer>>): Promise<Buffer> {
  const zip = new ZipFile();
  for (const [name, content] of Object.entries(files)) zip.addBuffer(Buffer.from(content as string), name);
  zip.end();
  return buffer(zip.outputStream as Readable);
}

/** Returns a CSV file of these lines. */
export const csv = (...lines: readonly string[]): string => lines.map((line) => `${line}\r\n`).join('');

export const readBytes = (content: string | Buffer, options?: ReadRosterOptions, name = 'список.csv'): Promise<Roster> =>
  readRoster({ name, bytes: Buffer.from(content as string) }, options);

export const readZip = async (files: Readonly<Record<string, string | Buffer>>, options?: ReadRosterOptions): Promise<Roster> =>
  readBytes(await zipOf(files), options, 'roster.zip');

/** Returns notices as `CODE file:line`. */
export const placesOf = (notices: RosterNotices): string[] =>
  notices.list.map(({ code, file, line }) => `${code} ${file}${line === null ? '' : `:${line}`}`);

export const codesOf = (notices: RosterNotices): string[] => notices.list.map(({ code }) => code);

/** A small valid set of OneRoster 1.2: one school, classes 5А and 5Б, mathematics in 5А, a teacher and three pupils. */
export const oneRoster12: Readonly<Record<string, string>> = {
  'manifest.csv': csv(
    'propertyName,value',
    'manifest.version,1.0',
    'oneroster.version,1.2',
    ...['classes', 'courses', 'enrollments', 'orgs', 'roles', 'users'].map((file) => `file.${file},bulk`),
    'file.demographics,absent',
  ),
  'orgs.csv': csv('sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId', 's1,,,Школа № 1,school,,'),
  'users.csv': csv(
    'sourcedId,status,dateLastModified,enabledUser,username,givenName,familyName,middleName,email',
    't1,,,true,t1,Мария,Петрова,Ивановна,petrova@school.example',
    'p1,,,true,p1,Иван,Иванов,Иванович,',
    'p2,,,true,p2,Анна,Смирнова,,',
    'p3,,,true,p3,Олег,Орлов,,',
  ),
  'roles.csv': csv(
    'sourcedId,status,dateLastModified,userSourcedId,roleType,role,beginDate,endDate,orgSourcedId',
    'r1,,,t1,primary,teacher,,,s1',
    'r2,,,p1,primary,student,,,s1',
    'r3,,,p2,primary,student,,,s1',
    'r4,,,p3,primary,student,,,s1',
  ),
  'courses.csv': csv('sourcedId,title', 'm,Математика', 'g5,5 класс'),
  'classes.csv': csv(
    'sourcedId,status,dateLastModified,title,grades,courseSourcedId,classCode,classType,schoolSourcedId,termSourcedIds',
    'c5a,,,5А,05,g5,,homeroom,s1,y',
    'c5b,,,5Б,05,g5,,homeroom,s1,y',
    'm5a,,,5А Математика,05,m,,scheduled,s1,y',
  ),
  'enrollments.csv': csv(
    'sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate',
    'e1,,,c5a,s1,p1,student,false,2026-09-01,',
    'e2,,,c5a,s1,p2,student,false,2026-09-01,',
    'e3,,,c5b,s1,p3,student,false,,',
    'e4,,,c5a,s1,t1,teacher,true,,',
    'e5,,,m5a,s1,t1,teacher,true,,',
    'e6,,,m5a,s1,p1,student,false,,',
  ),
};

/** Returns the files of `oneRoster12` with one file changed. Each pair replaces a text that must occur in the file. */
export function changed(file: string, ...replacements: readonly (readonly [text: string, by: string])[]): Record<string, string> {
  let content = oneRoster12[file]!;
  for (const [text, by] of replacements) {
    if (!content.includes(text)) throw new Error(`${file} has no ${text}`);
    content = content.replace(text, by);
  }
  return { ...oneRoster12, [file]: content };
}
