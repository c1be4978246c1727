import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';

/**
 * A minimal WebSocket client that leaves the CPU of a small machine to the measured server: one read buffer for all
 * sockets, no streams, no copies of messages, no validation of frames.
 */
export interface Client {
  send(text: string): void;
  close(): void;
}

interface Handlers {
  /** Called after the handshake. */
  open(client: Client): void;
  /** Called with a text message: the bytes from `start` to `end`, valid until the handler returns. */
  text(bytes: Buffer, start: number, end: number): void;
  /** Called once, when the socket is closed for any reason. */
  closed(reason: string): void;
}

const readBuffer = Buffer.allocUnsafeSlow(256 * 1024);
const opcode = { text: 1, close: 8, ping: 9, pong: 10 } as const;

/** Builds a client frame. The protocol requires a mask, and a mask of zeros leaves the payload unchanged. */
function frame(code: number, payload: Buffer): Buffer {
  const { length } = payload;
  const head = length < 126 ? Buffer.from([0x80 | code, 0x80 | length]) : Buffer.from([0x80 | code, 0x80 | 126, length >> 8, length & 255]);
  return Buffer.concat([head, Buffer.alloc(4), payload]);
}

export function openSocket(url: string, localAddress: string, handlers: Handlers): Client {
  const { hostname, port, pathname } = new URL(url);
  let upgraded = false;
  let rest: Buffer | null = null;
  let reason = 'cut';

  const onRead = (read: number): boolean => {
    const chunk = readBuffer.subarray(0, read);
    const bytes: Buffer = rest === null ? chunk : Buffer.concat([rest, chunk]);
    const consumed = upgraded ? frames(bytes, 0) : handshake(bytes);
    rest = consumed === bytes.length ? null : Buffer.from(bytes.subarray(consumed));
    return true;
  };

  const socket = connect({
    host: hostname,
    port: Number(port),
    localAddress,
    noDelay: true,
    onread: { buffer: readBuffer, callback: onRead },
  });
  const client: Client = {
    send: (text) => void socket.write(frame(opcode.text, Buffer.from(text))),
    close() {
      reason = 'closed here';
      socket.destroy();
    },
  };

  function handshake(bytes: Buffer): number {
    const end = bytes.indexOf('\r\n\r\n');
    if (end < 0) return 0;
    if (!bytes.subarray(0, 12).equals(Buffer.from('HTTP/1.1 101'))) {
      reason = bytes.toString('latin1', 0, bytes.indexOf('\r\n'));
      socket.destroy();
      return bytes.length;
    }
    upgraded = true;
    handlers.open(client);
    return frames(bytes, end + 4);
  }

  /** Handles all complete frames. Returns the offset of the first incomplete frame. */
  function frames(bytes: Buffer, from: number): number {
    let offset = from;
    while (offset + 2 <= bytes.length) {
      const code = bytes[offset]! & 15;
      const shortLength = bytes[offset + 1]!;
      const start = offset + (shortLength < 126 ? 2 : shortLength === 126 ? 4 : 10);
      if (start > bytes.length) break;
      const length =
        shortLength < 126 ? shortLength : shortLength === 126 ? bytes.readUInt16BE(offset + 2) : Number(bytes.readBigUInt64BE(offset + 2));
      const end = start + length;
      if (end > bytes.length) break;
      if (code === opcode.text) handlers.text(bytes, start, end);
      else if (code === opcode.ping) socket.write(frame(opcode.pong, bytes.subarray(start, end)));
      else if (code === opcode.close) {
        reason = length < 2 ? 'close' : `${bytes.readUInt16BE(start)} ${bytes.toString('utf8', start + 2, end)}`;
        socket.end(frame(opcode.close, bytes.subarray(start, end)));
      }
      offset = end;
    }
    return offset;
  }

  socket.on('connect', () =>
    socket.write(
      `GET ${pathname} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\nSec-WebSocket-Version: 13\r\n` +
        'Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n',
    ),
  );
  socket.on('error', (error) => (reason = error.message));
  socket.on('close', () => handlers.closed(reason));
  return client;
}
