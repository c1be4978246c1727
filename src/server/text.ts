/** An answer as JSON text that is put together as its parts become known. */

/** Text, or a place whose text is not known yet. */
export type Text = string | Place;

/** What stands at a place, once it is known: text, or text and places in turn. */
export interface Place {
  text: Text | readonly Text[];
}

const special = /["\\\u0000-\u001f\ud800-\udfff]/;

/** A string as JSON: the same that `JSON.stringify` writes. */
export const quoted = (value: string): string => (special.test(value) ? JSON.stringify(value) : `"${value}"`);

/** Calls `write` with the parts in order. */
export function eachPart(text: Text | readonly Text[], write: (part: string) => void): void {
  if (typeof text === 'string') write(text);
  else if (Array.isArray(text)) for (const part of text as readonly Text[]) eachPart(part, write);
  else eachPart((text as Place).text, write);
}

/** Memory that answers are written into, used again once they are sent: fresh memory costs more than writing. */
const spare: Buffer[] = [];
const mostSpare = 8;
const smallestRoom = 256 * 1024;
const largestRoom = 4 * 1024 * 1024;

/** Text as UTF-8, in memory that is the caller's until it is given back. */
export interface Written {
  bytes: Buffer;
  giveBack(): void;
}

/** @param length of all parts together, in UTF-16 units. */
export function written(parts: readonly string[], length: number): Written {
  const most = length * 3;
  const room = spare.length > 0 && spare.at(-1)!.length >= most ? spare.pop()! : Buffer.allocUnsafeSlow(Math.max(most, smallestRoom));
  let at = 0;
  for (const part of parts) at += room.write(part, at);
  return {
    bytes: room.subarray(0, at),
    giveBack() {
      if (spare.length < mostSpare && room.length <= largestRoom) spare.push(room);
    },
  };
}
