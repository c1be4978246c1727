import type { Socket } from 'node:net';

/** Writes WebSocket frames directly to the socket, without `ws`, for messages that are bytes already. */

/**
 * Returns one unfragmented text frame of a server (RFC 6455, 5.2): `before`, `value`, and the closing brace of the JSON
 * object.
 */
export function objectFrame(before: Buffer, value: Buffer): Buffer {
  const length = before.length + value.length + 1;
  const head = length < 126 ? 2 : length < 65536 ? 4 : 10;
  const frame = Buffer.allocUnsafe(head + length);
  frame[0] = 0x81;
  frame[1] = length < 126 ? length : length < 65536 ? 126 : 127;
  if (head === 4) frame.writeUInt16BE(length, 2);
  else if (head === 10) frame.writeBigUInt64BE(BigInt(length), 2);
  frame.set(before, head);
  frame.set(value, head + before.length);
  frame[frame.length - 1] = closingBrace;
  return frame;
}

const closingBrace = 0x7d;

/**
 * Returns a function that writes one message to many sockets, each with its own beginning. Reuses the memory of a frame
 * that the kernel took as a whole: the values are the same, and beginnings of one length differ only in their ids.
 */
export function createFrames(): (socket: Pick<Socket, 'write' | 'writableLength'>, before: Buffer, value: Buffer) => void {
  let last: { frame: Buffer; value: Buffer; length: number } | null = null;
  return (socket, before, value) => {
    const { length } = before;
    if (last?.value === value && last.length === length) last.frame.set(before, last.frame.length - value.length - length - 1);
    else last = { frame: objectFrame(before, value), value, length };
    socket.write(last.frame);
    if (socket.writableLength > 0) last = null;
  };
}
