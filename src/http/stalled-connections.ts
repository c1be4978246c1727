import type { Socket } from 'node:net';
import type { Logger } from '../logger.ts';

/** Disconnects clients that do not read their responses or messages, on HTTP and on WebSocket. */

export interface OpenConnection {
  socket: Socket;
  disconnect(): void;
}

/**
 * Checks the connections every second, and disconnects those whose client has read nothing for `stalledAfterMs`
 * although bytes wait for it. Returns a function that stops the checks.
 * @param connections yields the open connections. Uses the first one of a socket that occurs twice.
 */
export function watchStalled(connections: () => Iterable<OpenConnection>, stalledAfterMs: number, log: Logger): () => void {
  let pending = new Map<Socket, { sentBytes: number; since: number }>();
  const timer = setInterval(
    () => {
      const now = performance.now();
      const previous = pending;
      pending = new Map();
      for (const { socket, disconnect } of connections()) {
        if (socket.writableLength === 0 || socket.destroyed || pending.has(socket)) continue;
        const sentBytes = sentBytesOf(socket);
        const known = previous.get(socket);
        const progress = known?.sentBytes === sentBytes ? known : { sentBytes, since: now };
        pending.set(socket, progress);
        if (now - progress.since > stalledAfterMs) {
          log.info('a connection that stalled was cut');
          disconnect();
        }
      }
    },
    Math.min(1000, stalledAfterMs),
  );
  return () => clearInterval(timer);
}

/**
 * Returns the bytes that the kernel has taken. `writableLength` counts a write until the kernel has taken all of it,
 * which for a response of megabytes is longer than a slow client may stall. So the function also reads
 * `writeQueueSize`, the rest of a write: a private member of Node 20 to 24; test/http/stalled-connections.test.ts fails
 * when it changes.
 */
function sentBytesOf(socket: Socket & { _handle?: { writeQueueSize?: number } | null }): number {
  return socket.bytesWritten - socket.writableLength - (socket._handle?.writeQueueSize ?? 0);
}
