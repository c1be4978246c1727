/** Encodes a column of a DataRow message of PostgreSQL: the length of its text (-1 for null), then the text. */
export function columnBytes(text: string | null): Buffer {
  const bytes = Buffer.from(text ?? '');
  const length = Buffer.alloc(4);
  length.writeInt32BE(text === null ? -1 : bytes.length);
  return Buffer.concat([length, bytes]);
}
