/** Decodes a global id: the type, and the id of the row. */
export function decodeId(globalId: string): { type: string; id: string } {
  const [type = '', id = ''] = Buffer.from(globalId, 'base64').toString().split(':');
  return { type, id };
}
