import { createClient } from 'graphql-ws';
import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket } from 'ws';

/** A well-written dashboard: subscribes to one stream and reconnects with its last cursor when the socket breaks. */

export interface Told {
  __typename: string;
  cursor: string;
  [field: string]: unknown;
}

export interface Follower {
  /** Every item of all its sockets except checkpoints, in order of arrival, including repeats. */
  readonly told: Told[];
  /** How often it lost a stream that had started. */
  readonly returns: number;
  /** Resolves with the first item or checkpoint: every later event has to arrive. */
  started: Promise<void>;
  /** Destroys the socket, like a broken network. */
  cut(): void;
  /** Waits until the predicate is true; fails when the stream is refused or ended, or no item arrives for 30 s. */
  until(satisfied: (told: readonly Told[]) => boolean): Promise<void>;
  close(): void;
}

export interface Followed {
  url: string;
  token: string;
  query: string;
  variables: { schoolId: string; after?: string | undefined; [name: string]: unknown };
}

/** Milliseconds without a new item after which `until` fails. */
const patience = 30_000;

export function follower({ url, token, query, variables }: Followed): Follower {
  const told: Told[] = [];
  let cursor = variables.after;
  let returns = 0;
  let closed = false;
  let failure: unknown;
  let cut = () => {};
  const waiting = new Set<() => void>();
  const look = () => [...waiting].forEach((each) => each());
  let begin!: () => void;
  const started = new Promise<void>((resolve) => (begin = resolve));

  /** Opens one socket; resolves when it has ended for any reason. */
  const once = () =>
    new Promise<void>((resolve) => {
      let [begun, over] = [false, false];
      class Own extends WebSocket {
        constructor(address: string | URL, protocols?: string | string[]) {
          super(address, protocols);
          cut = () => this.terminate();
        }
      }
      const client = createClient({
        url: url.replace(/^http/, 'ws'), webSocketImpl: Own, connectionParams: { authorization: `Bearer ${token}` }, retryAttempts: 0, lazyCloseTimeout: 0,
      });
      const end = (why?: unknown) => {
        if (over) return;
        over = true;
        if (begun) returns += 1;
        failure ??= why;
        void client.dispose();
        resolve();
      };
      const refused = (errors: readonly { extensions?: { code?: unknown } }[]) =>
        // Server-side failures are temporary, so reconnect; any other error fails the follower.
        end(errors.every(({ extensions }) => extensions?.code === 'INTERNAL' || extensions?.code === 'UNAVAILABLE') ? undefined : new Error(JSON.stringify(errors)));
      client.subscribe(
        { query, variables: { ...variables, after: cursor } },
        {
          next({ data, errors }) {
            if (over) return;
            if (errors) return refused(errors);
            const item = Object.values(data as object)[0] as Told;
            if (item.__typename === 'Ended' || item.__typename === 'ResyncRequired') return end(new Error(JSON.stringify(item)));
            begun = true;
            cursor = item.cursor;
            if (item.__typename !== 'Checkpoint') told.push(item);
            begin();
            look();
          },
          error: (error) => (Array.isArray(error) ? refused(error as []) : end()),
          complete: () => end(),
        },
      );
    });

  const run = async () => {
    while (!closed && failure === undefined) {
      await once();
      if (closed) break;
      look();
      await pause(30);
    }
  };
  void run();

  return {
    told,
    get returns() {
      return returns;
    },
    started,
    cut: () => cut(),
    until: (satisfied) =>
      new Promise((resolve, reject) => {
        let timer: NodeJS.Timeout;
        const settle = (done: () => void) => {
          clearTimeout(timer);
          waiting.delete(each);
          done();
        };
        const each = () => {
          clearTimeout(timer);
          timer = setTimeout(() => settle(() => reject(new Error(`no new item after ${told.length} items`))), patience);
          if (satisfied(told)) settle(resolve);
          else if (failure !== undefined) settle(() => reject(failure instanceof Error ? failure : new Error(String(failure))));
        };
        waiting.add(each);
        each();
      }),
    close() {
      closed = true;
      cut();
    },
  };
}
