import { crc32 } from 'node:zlib';
import { fromBufferPromise, validateFileName, type Entry, type ZipFile } from 'yauzl';
import { type NoticeLog, unreadable, UnreadableRoster } from './notices.ts';
import { isCsv, maxBytes, maxFiles, maxMegabytes, type SourceFile } from './source-file.ts';

/** Unpacks archives within limits. Writes nothing to disk, so a name in an archive cannot overwrite a file. */

export const isZip = (bytes: Buffer): boolean => /^PK(\x03\x04|\x05\x06)/.test(bytes.toString('latin1', 0, 4));

/**
 * Limit of the unpacked size divided by the packed size. CSV files of names and ids reach 10 to 100; a ZIP bomb reaches
 * 1,000.
 */
const maxRatio = 200;
/** Files up to this size may have any ratio. */
const minBombBytes = 1024 * 1024;

/** A file that only workbooks of Excel and LibreOffice contain. These workbooks are ZIP archives. */
const workbookPart = /^(\[Content_Types\]\.xml|mimetype)$/;

/** An entry of the archive with its name decoded. */
interface NamedEntry {
  readonly name: string;
  readonly entry: Entry;
}

/**
 * Returns the CSV files of an archive. All of them may be in one folder. Warns of each file that is not CSV.
 * @throws UnreadableRoster if the archive is damaged, encrypted or exceeds a limit, or if a name of a file leads outside the
 *   archive or has a control character.
 */
export async function unzip(archive: string, bytes: Buffer, notices: NoticeLog): Promise<SourceFile[]> {
  const zip = await fromBufferPromise(bytes, { lazyEntries: true, decodeStrings: false, validateEntrySizes: true }).catch(() => {
    throw unreadable('ZIP_DAMAGED', { file: archive });
  });
  if (zip.entryCount > maxFiles) throw unreadable('ZIP_TOO_MANY_FILES', { file: archive }, maxFiles);
  const listed = await listEntries(archive, zip);
  if (listed.some(({ name }) => workbookPart.test(name))) throw unreadable('SPREADSHEET', { file: archive });
  const entries = withoutFolder(listed, archive, notices);
  const files: SourceFile[] = [];
  for (const { name, entry } of entries) {
    if (!isCsv(name)) notices.warn('FILE_IGNORED', { file: archive }, name);
    else if (files.some((file) => file.name.toLowerCase() === name.toLowerCase()))
      throw unreadable('FILE_DUPLICATE', { file: archive }, name);
    else files.push({ name, bytes: await unpack(name, zip, entry) });
  }
  return files;
}

async function listEntries(archive: string, zip: ZipFile): Promise<NamedEntry[]> {
  const entries: NamedEntry[] = [];
  let unpackedBytes = 0;
  try {
    for await (const entry of zip.eachEntry()) {
      const name = entry.fileNameRaw.toString('utf8').replaceAll('\\', '/');
      if (validateFileName(name) !== null || /\p{Cc}/u.test(name)) throw unreadable('ZIP_PATH', { file: archive });
      unpackedBytes += entry.uncompressedSize;
      check(archive, name, entry, unpackedBytes);
      // Skips folders, and files that macOS adds.
      if (!/\/$|^__MACOSX\/|(^|\/)\._/.test(name)) entries.push({ name, entry });
    }
  } catch (error) {
    throw error instanceof UnreadableRoster ? error : unreadable('ZIP_DAMAGED', { file: archive });
  }
  return entries;
}

function check(archive: string, name: string, entry: Entry, unpackedBytes: number): void {
  const { uncompressedSize, compressedSize } = entry;
  if (entry.isEncrypted()) throw unreadable('ZIP_ENCRYPTED', { file: archive });
  if (!entry.canDecodeFileData()) throw unreadable('ZIP_METHOD', { file: archive });
  if (uncompressedSize > minBombBytes && uncompressedSize > compressedSize * maxRatio)
    throw unreadable('ZIP_BOMB', { file: name }, maxRatio);
  if (unpackedBytes > maxBytes) throw unreadable('ZIP_TOO_LARGE', { file: archive }, maxMegabytes);
}

/** If one folder contains all files, removes it from their names. Otherwise files in folders are not used. */
function withoutFolder(entries: NamedEntry[], archive: string, notices: NoticeLog): NamedEntry[] {
  const folder = /^[^/]+\//.exec(entries[0]?.name ?? '')?.[0];
  if (folder === undefined || !entries.every(({ name }) => name.startsWith(folder))) return entries;
  notices.warn('FILES_IN_FOLDER', { file: archive }, folder.slice(0, -1));
  return entries.map(({ name, entry }) => ({ name: name.slice(folder.length), entry }));
}

/** Unpacks one file. yauzl ends the stream with an error if the file is longer or shorter than the archive says. */
async function unpack(name: string, zip: ZipFile, entry: Entry): Promise<Buffer> {
  try {
    const chunks: Buffer[] = [];
    for await (const chunk of await zip.openReadStreamPromise(entry)) chunks.push(chunk as Buffer);
    const bytes = Buffer.concat(chunks);
    if (crc32(bytes) === entry.crc32) return bytes;
  } catch {
    // The throw below reports the damage, as for a wrong checksum.
  }
  throw unreadable('ZIP_DAMAGED', { file: name });
}
