import type { Socket } from 'node:net';

/** Writes messages that are serialised already to the TCP socket as WebSocket frames, without `ws`. */

/**
 * Returns one unfragmented text frame of a server (RFC 6455, 5.2) that contains `prefix`, `value` and the closing brace
 * of the JSON object.
 */
export function objectFrame(prefix: Buffer, value: Buffer): Buffer {
  const length = prefix.length + value.length + 1;
  const headerLength = length < 126 ? 2 : length < 65536 ? 4 : 10;
  const frame = Buffer.allocUnsafe(headerLength + length);
  frame[0] = 0x81;
  frame[1] = length < 126 ? length : length < 65536 ? 126 : 127;
  if (headerLength === 4) frame.writeUInt16BE(length, 2);
  else if (headerLength === 10) frame.writeBigUInt64BE(BigInt(length), 2);
  frame.set(prefix, headerLength);
  frame.set(value, headerLength + prefix.length);
  frame[frame.length - 1] = closingBrace;
  return frame;
}

const closingBrace = 0x7d;

/**
 * Returns a function that writes one message to many sockets, each with its own prefix. Reuses the memory of the last
 * frame if the kernel has taken all of it: the values are the same, and prefixes of equal length differ only in their
 * ids.
 */
export function createFrames(): (socket: Pick<Socket, 'write' | 'writableLength'>, prefix: Buffer, value: Buffer) => void {
  let last: { frame: Buffer; value: Buffer; length: number } | null = null;
  return (socket, prefix, value) => {
    const { length } = prefix;
    if (last?.value === value && last.length === length) last.frame.set(prefix, last.frame.length - value.length - length - 1);
    else last = { frame: objectFrame(prefix, value), value, length };
    socket.write(last.frame);
    if (socket.writableLength > 0) last = null;
  };
}
