/** A column of a row as PostgreSQL sends it: the length of its text, negative for null, and the text. */
export function columnBytes(text: string | null): Buffer {
  const bytes = Buffer.from(text ?? '');
  const length = Buffer.alloc(4);
  length.writeInt32BE(text === null ? -1 : bytes.length);
  return Buffer.concat([length, bytes]);
}
