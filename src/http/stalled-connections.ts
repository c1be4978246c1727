import type { Socket } from 'node:net';
import type { Logger } from '../logger.ts';

/** Disconnects clients that do not read their responses or messages, on HTTP and on WebSocket. */

export interface OpenConnection {
  socket: Socket;
  disconnect(): void;
}

/**
 * Checks the connections every second. Disconnects a client that has read nothing for `stalledAfterMs` although bytes
 * wait for it. Returns a function that stops the checks.
 * @param connections yields the open connections. A WebSocket occurs twice, since its TCP socket is also a connection of
 *   the HTTP server. Only the first connection of a socket is checked.
 */
export function watchStalled(connections: () => Iterable<OpenConnection>, stalledAfterMs: number, log: Logger): () => void {
  const detector = new StallDetector(stalledAfterMs, log);
  const timer = setInterval(() => detector.check(connections()), Math.min(1000, stalledAfterMs));
  return () => clearInterval(timer);
}

/** The last result of `sentBytesOf` for a socket, and the time since which this result has not changed. */
interface Progress {
  sentBytes: number;
  since: number;
}

class StallDetector {
  readonly #stalledAfterMs: number;
  readonly #log: Logger;
  /** The progress of the sockets that had unsent bytes at the last check. */
  #progress = new Map<Socket, Progress>();

  constructor(stalledAfterMs: number, log: Logger) {
    this.#stalledAfterMs = stalledAfterMs;
    this.#log = log;
  }

  check(connections: Iterable<OpenConnection>): void {
    const now = performance.now();
    const previous = this.#progress;
    this.#progress = new Map();
    for (const { socket, disconnect } of connections) {
      if (socket.writableLength === 0 || socket.destroyed || this.#progress.has(socket)) continue;
      const sentBytes = sentBytesOf(socket);
      const known = previous.get(socket);
      const progress = known?.sentBytes === sentBytes ? known : { sentBytes, since: now };
      this.#progress.set(socket, progress);
      if (now - progress.since > this.#stalledAfterMs) {
        this.#log.info('a connection that stalled was cut');
        disconnect();
      }
    }
  }
}

/**
 * Returns a number that changes whenever the kernel takes bytes. The number is not an exact count of bytes.
 * `writableLength` counts a whole write until the kernel has taken all of it, so with `writableLength` alone a slow
 * client that reads a large response would seem stalled. `writeQueueSize` is the number of bytes of this write that
 * still wait. It is a private member of Node 20 to 24; test/http/stalled-connections.test.ts fails when it changes.
 */
function sentBytesOf(socket: Socket & { _handle?: { writeQueueSize?: number } | null }): number {
  return socket.bytesWritten - socket.writableLength - (socket._handle?.writeQueueSize ?? 0);
}
