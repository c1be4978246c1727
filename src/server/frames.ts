import type { Socket } from 'node:net';

/** Frames of WebSocket messages, written past `ws` where the message is bytes already. */

/** One unfragmented text message of a server (RFC 6455, 5.2) that is an object: these bytes, a value, and its end. */
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
 * Writes one message to many sockets, each under its own beginning. Where the kernel took all of a frame, its memory is
 * the next one's: the values are the same, and beginnings of one length differ in their ids alone.
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
