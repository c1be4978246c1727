import type { Socket } from 'node:net';
import type { Logger } from '../logger.ts';

/** Disconnects clients that do not read what was sent to them, by WebSocket or by HTTP. */

/** A connection that is sent to, and how it is cut. */
export interface OpenConnection {
  socket: Socket;
  disconnect(): void;
}

/**
 * Looks every second for connections that take nothing of what was sent to them for `stalledAfter` milliseconds, and cuts
 * them. Returns a function that stops it.
 * @param all yields the open connections; of two for one socket the first counts.
 */
export function watchStalled(all: () => Iterable<OpenConnection>, stalledAfter: number, log: Logger): () => void {
  let waiting = new Map<Socket, { taken: number; since: number }>();
  const timer = setInterval(() => {
    const now = performance.now();
    const before = waiting;
    waiting = new Map();
    for (const { socket, disconnect } of all()) {
      if (socket.writableLength === 0 || socket.destroyed || waiting.has(socket)) continue;
      const taken = takenOf(socket);
      const known = before.get(socket);
      const progress = known?.taken === taken ? known : { taken, since: now };
      waiting.set(socket, progress);
      if (now - progress.since > stalledAfter) {
        log.info('a connection that stalled was cut');
        disconnect();
      }
    }
  }, Math.min(1000, stalledAfter));
  return () => clearInterval(timer);
}

/**
 * Returns a number that changes whenever the kernel takes bytes. `writableLength` counts a write until all of it is taken,
 * which for an answer of megabytes is longer than a slow client may stall; the rest of a write is `writeQueueSize`, a
 * private member of Node 20 to 24: test/http/stalled-connections.test.ts fails when it changes.
 */
function takenOf(socket: Socket & { _handle?: { writeQueueSize?: number } | null }): number {
  return socket.bytesWritten - socket.writableLength - (socket._handle?.writeQueueSize ?? 0);
}
