/** Decodes a global id into a type and the id of a row. */
export function decodeId(globalId: string): { type: string; id: string } {
  const [type = '', id = ''] = Buffer.from(globalId, 'base64').toString().split(':');
  return { type, id };
}
