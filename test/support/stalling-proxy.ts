import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A TCP proxy. It can stop forwarding without closing connections, like a network that drops every packet. */
export interface StallingProxy {
  /** The target URL with the address of the proxy. */
  url: string;
  stall(): void;
  /** Forwards again, starting with the buffered data. */
  resume(): void;
  close(): Promise<void>;
}

export async function stallingProxy(target: string): Promise<StallingProxy> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let stalled = false;
  const listener = createServer((near) => {
    const far = connect(Number(port) || 5432, hostname);
    const pair: [Socket, Socket][] = [
      [near, far],
      [far, near],
    ];
    for (const [from, to] of pair) {
      sockets.add(from);
      from.setNoDelay(true);
      from.on('data', (part) => void to.write(part));
      if (stalled) from.pause();
      from.on('error', () => from.destroy());
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const url = new URL(target);
  url.hostname = '127.0.0.1';
  url.port = String((listener.address() as AddressInfo).port);
  return {
    url: url.href,
    stall() {
      stalled = true;
      for (const socket of sockets) socket.pause();
    },
    resume() {
      stalled = false;
      for (const socket of sockets) socket.resume();
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}
