import { once } from 'node:events';
import { connect, createServer, Socket, type AddressInfo } from 'node:net';
import { expect, it, onTestFailed } from 'vitest';
import { WebSocket } from 'ws';
import { FrameSink, FrameWriter, objectFrame } from '../../../src/http/websocket/frame-sink.ts';
import { createRandom } from '../../support/random.ts';

const prefixOf = (id: string): Buffer => Buffer.from(`{"id":${JSON.stringify(id)},"type":"next","payload":`);

class OtherSocket extends Socket {}

/**
 * Returns a fake socket that records what is written. If `isSlow` returns true, the socket reports the frame as not yet
 * sent.
 */
function recordingSocket(SocketClass: typeof Socket, isSlow: () => boolean) {
  const written: { frame: Buffer; text: string }[] = [];
  const socket = new SocketClass();
  let writableLength = 0;
  Object.defineProperty(socket, 'writableLength', { get: () => writableLength });
  socket.write = (frame: Buffer | string) => {
    writableLength = isSlow() ? frame.length : 0;
    return written.push({ frame: frame as Buffer, text: frame.toString('latin1') }) > 0;
  };
  return { socket, written };
}

const sinkOf = (socket: Socket, id: string, writer = new FrameWriter(), readyState: number = WebSocket.OPEN) =>
  new FrameSink({ ws: { readyState } as WebSocket, socket }, id, writer);

it('reuses the memory of a frame only after the kernel has taken all of it', () => {
  const random = createRandom();
  onTestFailed(() => console.error(`SEED=${random.seed}`));
  const writer = new FrameWriter();
  const frames = new Set<Buffer>();
  let messages = 0;
  for (let n = 0; n < 300; n += 1) {
    const value = Buffer.from(JSON.stringify('я'.repeat(random.pick([1, 40, 400, 5000]))));
    const waiting: { frame: Buffer; expected: Buffer }[] = [];
    for (let to = 0; to < 6; to += 1) {
      const id = random.pick(['a', 'b', 'c', 'dd']);
      const isSlow = random.next() < 0.3;
      const { socket, written } = recordingSocket(Socket, () => isSlow);
      sinkOf(socket, id, writer).send(value);
      const [{ frame, text }] = written as [(typeof written)[number]];
      const expected = objectFrame(prefixOf(id), value);
      expect(text).toBe(expected.toString('latin1'));
      if (isSlow) waiting.push({ frame, expected });
      frames.add(frame);
      messages += 1;
    }
    // The kernel takes the slow frames only now. Until now, no other frame may have overwritten their memory.
    for (const { frame, expected } of waiting) expect(frame.equals(expected)).toBe(true);
  }
  expect(messages - frames.size).toBeGreaterThan(messages / 10);
});

it('reuses no memory on a socket that is not a plain TCP socket', () => {
  const writer = new FrameWriter();
  const { socket, written } = recordingSocket(OtherSocket, () => false);
  const value = Buffer.from('{}');
  for (const id of ['a', 'b']) sinkOf(socket, id, writer).send(value);
  expect(written.map(({ frame }) => frame.equals(objectFrame(prefixOf('a'), value)))).toEqual([true, false]);
});

it('gives each client its own message while some of them do not read', async () => {
  const accepted: Socket[] = [];
  const server = createServer((socket) => void accepted.push(socket.setNoDelay()));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const clients = Array.from({ length: 6 }, () => connect(port, '127.0.0.1'));
  await Promise.all(clients.map((client) => once(client, 'connect')));
  await expect.poll(() => accepted.length).toBe(clients.length);
  // The server's sockets, in the order of `clients`.
  const sockets = clients.map(({ localPort }) => accepted.find(({ remotePort }) => remotePort === localPort)!);
  const writer = new FrameWriter();
  const sinks = sockets.map((socket, n) => sinkOf(socket, `id ${n}`, writer));
  // Every second client reads only at the end, so that its frames wait in the server.
  clients.forEach((client, n) => n % 2 === 1 && client.pause());
  const received = clients.map((client) => {
    const chunks: Buffer[] = [];
    client.on('data', (chunk: Buffer) => chunks.push(chunk));
    return chunks;
  });
  const expected = clients.map((): Buffer[] => []);
  let waited = 0;
  for (let n = 0; n < 400; n += 1) {
    const value = Buffer.from(JSON.stringify(`${n} ${'x'.repeat(30_000)}`));
    sinks.forEach((sink, at) => {
      if (sink.send(value)) expected[at]!.push(objectFrame(prefixOf(`id ${at}`), value));
      else waited += 1;
    });
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(waited).toBeGreaterThan(0);
  const ended = clients.map((client) => once(client, 'end'));
  for (const client of clients) client.resume();
  for (const socket of accepted) socket.end();
  await Promise.all(ended);
  received.forEach((chunks, n) => expect(Buffer.concat(chunks).equals(Buffer.concat(expected[n]!))).toBe(true));
  server.close();
});

it.each([
  [100, 2],
  [300, 4],
  [70_000, 10],
])('writes a frame of %i bytes with a header of %i bytes', (length, headerLength) => {
  const prefix = prefixOf('1');
  const value = Buffer.alloc(length - prefix.length - 1, 'x');
  const frame = objectFrame(prefix, value);
  expect(frame.length).toBe(headerLength + length);
  expect(frame.subarray(headerLength).toString()).toBe(`${prefix.toString()}${value.toString()}}`);
});

it('sends nothing to a client that is behind, or whose socket closes', () => {
  const value = Buffer.alloc(64 * 1024, 'x');
  const { socket, written } = recordingSocket(Socket, () => true);
  expect(sinkOf(socket, '1', new FrameWriter(), WebSocket.CLOSING).send(value)).toBe(false);
  expect(sinkOf(socket, '1').send(value)).toBe(true);
  expect(sinkOf(socket, '1').send(value)).toBe(false);
  expect(written).toHaveLength(1);
});
