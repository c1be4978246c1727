import { createClient } from 'graphql-ws';
import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { factMs } from './limits.ts';

/** A well-written dashboard: subscribes to one stream and reconnects with its last cursor when the socket breaks. */

export interface StreamItem {
  __typename: string;
  cursor: string;
  [field: string]: unknown;
}

export interface Follower {
  /** Every item that arrived on any of its sockets, in order of arrival, including repeats. Excludes checkpoints. */
  readonly items: StreamItem[];
  /** How often the follower lost a stream that had started. */
  readonly reconnects: number;
  /** Resolves with the first item or checkpoint. Every event after it has to arrive. */
  started: Promise<void>;
  /** Destroys the socket, like a broken network. */
  disconnect(): void;
  /** Waits until the predicate is true. Fails if the stream is refused or ends, or if no item arrives for `factMs`. */
  until(isSatisfied: (items: readonly StreamItem[]) => boolean): Promise<void>;
  close(): void;
}

export interface FollowerOptions {
  url: string;
  token: string;
  query: string;
  variables: { schoolId: string; after?: string | undefined; [name: string]: unknown };
}

export function follower({ url, token, query, variables }: FollowerOptions): Follower {
  const items: StreamItem[] = [];
  let cursor = variables.after;
  let reconnects = 0;
  let closed = false;
  let failure: unknown;
  let disconnect = () => {};
  const checks = new Set<() => void>();
  const checkAll = () => [...checks].forEach((check) => check());
  let resolveStarted!: () => void;
  const started = new Promise<void>((resolve) => (resolveStarted = resolve));

  /** Opens one socket. Resolves when the socket has ended for any reason. */
  const openOnce = () =>
    new Promise<void>((resolve) => {
      let [hasStarted, hasEnded] = [false, false];
      class TrackedWebSocket extends WebSocket {
        constructor(address: string | URL, protocols?: string | string[]) {
          super(address, protocols);
          disconnect = () => this.terminate();
        }
      }
      const client = createClient({
        url: url.replace(/^http/, 'ws'),
        webSocketImpl: TrackedWebSocket,
        connectionParams: { authorization: `Bearer ${token}` },
        retryAttempts: 0,
        lazyCloseTimeout: 0,
      });
      const end = (reason?: unknown) => {
        if (hasEnded) return;
        hasEnded = true;
        if (hasStarted) reconnects += 1;
        failure ??= reason;
        void client.dispose();
        resolve();
      };
      const fail = (errors: readonly { extensions?: { code?: unknown } }[]) =>
        // Failures of the server are temporary, so the follower reconnects. After any other error it fails.
        end(
          errors.every(({ extensions }) => extensions?.code === 'INTERNAL' || extensions?.code === 'UNAVAILABLE')
            ? undefined
            : new Error(JSON.stringify(errors)),
        );
      client.subscribe(
        { query, variables: { ...variables, after: cursor } },
        {
          next({ data, errors }) {
            if (hasEnded) return;
            if (errors) return fail(errors);
            const item = Object.values(data as object)[0] as StreamItem;
            if (item.__typename === 'Ended' || item.__typename === 'ResyncRequired') return end(new Error(JSON.stringify(item)));
            hasStarted = true;
            cursor = item.cursor;
            if (item.__typename !== 'Checkpoint') items.push(item);
            resolveStarted();
            checkAll();
          },
          error: (error) => (Array.isArray(error) ? fail(error as []) : end()),
          complete: () => end(),
        },
      );
    });

  const run = async () => {
    while (!closed && failure === undefined) {
      await openOnce();
      if (closed) break;
      checkAll();
      await pause(30);
    }
  };
  void run();

  return {
    items,
    get reconnects() {
      return reconnects;
    },
    started,
    disconnect: () => disconnect(),
    until: (isSatisfied) =>
      new Promise((resolve, reject) => {
        let timer: NodeJS.Timeout;
        const settle = (done: () => void) => {
          clearTimeout(timer);
          checks.delete(check);
          done();
        };
        const check = () => {
          clearTimeout(timer);
          timer = setTimeout(() => settle(() => reject(new Error(`no new item after ${items.length} items`))), factMs);
          if (isSatisfied(items)) settle(resolve);
          else if (failure !== undefined) settle(() => reject(failure instanceof Error ? failure : new Error(String(failure))));
        };
        checks.add(check);
        check();
      }),
    close() {
      closed = true;
      disconnect();
    },
  };
}
