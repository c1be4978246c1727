import { lstat, readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type NoticeLog, unreadable } from './notices.ts';
import { isCsv, maxBytes, maxFiles, maxMegabytes, type SourceFile } from './source-file.ts';
import { isZip, unzip } from './zip.ts';

/** What to read: a file or folder of this machine, or the bytes of an uploaded file with its name. */
export type RosterInput =
  | { readonly path: string }
  | { readonly name: string; readonly bytes: Uint8Array }
  | { readonly name: string; readonly stream: AsyncIterable<Uint8Array> };

/** The files of a roster by their names, in the order of the archive or folder. */
export interface SourceFiles {
  /** The name of the archive, folder or file. */
  readonly name: string;
  readonly files: readonly SourceFile[];
  /** Whether the input is one CSV file, and not an archive or a folder. */
  readonly isSingleFile: boolean;
}

/** Reads the input into memory, and unpacks an archive. */
export async function readSourceFiles(input: RosterInput, notices: NoticeLog): Promise<SourceFiles> {
  if ('path' in input) {
    const name = basename(input.path);
    const found = await stat(input.path).catch(() => null);
    if (found?.isDirectory()) return { name, files: await readFolder(input.path, name, notices), isSingleFile: false };
    if (!found?.isFile()) throw unreadable('NOTHING_TO_READ', { file: name });
    if (found.size > maxBytes) throw unreadable('FILE_TOO_LARGE', { file: name }, maxMegabytes);
    return open(name, await readOrRefuse(input.path, name), notices);
  }
  const bytes = 'bytes' in input ? Buffer.from(input.bytes.buffer, input.bytes.byteOffset, input.bytes.byteLength) : await collect(input);
  if (bytes.length > maxBytes) throw unreadable('FILE_TOO_LARGE', { file: input.name }, maxMegabytes);
  return open(input.name, bytes, notices);
}

async function open(name: string, bytes: Buffer, notices: NoticeLog): Promise<SourceFiles> {
  if (bytes.length === 0) throw unreadable('FILE_EMPTY', { file: name });
  if (isZip(bytes)) return { name, files: await unzip(name, bytes, notices), isSingleFile: false };
  return { name, files: [{ name, bytes }], isSingleFile: true };
}

/** Collects the bytes of a stream. @throws UnreadableRoster as soon as the stream exceeds the limit. */
async function collect({ name, stream }: { name: string; stream: AsyncIterable<Uint8Array> }): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    length += chunk.length;
    if (length > maxBytes) throw unreadable('FILE_TOO_LARGE', { file: name }, maxMegabytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Reads the CSV files of a folder. Ignores symbolic links. */
async function readFolder(path: string, name: string, notices: NoticeLog): Promise<SourceFile[]> {
  const names = (await readdir(path).catch(() => [])).sort();
  const chosen: string[] = [];
  let bytes = 0;
  for (const entry of names) {
    const found = await lstat(join(path, entry));
    if (found.isFile() && isCsv(entry)) {
      chosen.push(entry);
      bytes += found.size;
    } else if (!entry.startsWith('.')) {
      notices.warn('FILE_IGNORED', { file: name }, entry);
    }
  }
  if (chosen.length > maxFiles) throw unreadable('ZIP_TOO_MANY_FILES', { file: name }, maxFiles);
  if (bytes > maxBytes) throw unreadable('FILE_TOO_LARGE', { file: name }, maxMegabytes);
  return Promise.all(chosen.map(async (entry) => ({ name: entry, bytes: await readOrRefuse(join(path, entry), entry) })));
}

const readOrRefuse = (path: string, file: string): Promise<Buffer> =>
  readFile(path).catch(() => {
    throw unreadable('NOTHING_TO_READ', { file });
  });
