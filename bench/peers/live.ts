import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';

/**
 * Shared by the programs of bench/peers that offer subscriptions: a schema with the subscription of our server, and an
 * in-memory async iterator. These programs have an advantage: they send ready objects, read no database and check no
 * permissions.
 */

export interface LiveEvent {
  cursor: string;
  kind: string;
  at: string;
  studentId: string;
  classId: string;
  student: { surname: string; givenName: string; fullName: string };
  class: { name: string; grade: number; letter: string };
}

export const typeDefs = await readFile(new URL('live.graphql', import.meta.url), 'utf8');

/** Returns the topic of a subscription: the id of the class, or the id of the school if there is no `classId`. */
export const topicOf = (args: { schoolId: string; classId?: string | null }): string => args.classId ?? args.schoolId;

/** In-memory publish/subscribe. A subscriber gets the events that are published after its subscription, in order. */
export class Topics<T> {
  readonly #subscribers = new Map<string, Set<(event: T) => void>>();
  count = 0;

  publish(topics: readonly string[], event: T): void {
    for (const topic of topics) for (const push of this.#subscribers.get(topic) ?? []) push(event);
  }

  subscribe(topic: string): AsyncIterableIterator<T> {
    const queue: T[] = [];
    let resolveNext: ((result: IteratorResult<T>) => void) | undefined;
    const push = (event: T) => {
      if (resolveNext === undefined) return void queue.push(event);
      resolveNext({ done: false, value: event });
      resolveNext = undefined;
    };
    const subscribers = this.#subscribers.get(topic) ?? new Set();
    this.#subscribers.set(topic, subscribers.add(push));
    this.count += 1;
    const end: IteratorResult<T> = { done: true, value: undefined };
    const iterator: AsyncIterableIterator<T> = {
      next: () =>
        queue.length > 0 ? Promise.resolve({ done: false, value: queue.shift()! }) : new Promise((resolve) => (resolveNext = resolve)),
      return: () => {
        if (subscribers.delete(push)) this.count -= 1;
        resolveNext?.(end);
        return Promise.resolve(end);
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }
}

/**
 * Control requests of the benchmark. `POST /publish` publishes the event in its body. `GET /subscribers` returns the
 * number of subscribers.
 */
export interface Control {
  publish(topics: readonly string[], event: LiveEvent): void;
  subscribers(): number;
}

export async function handleControl(req: IncomingMessage, res: ServerResponse, control: Control): Promise<void> {
  if (req.url === '/publish' && req.method === 'POST') {
    let text = '';
    for await (const chunk of req.setEncoding('utf8')) text += chunk as string;
    const { topics, event } = JSON.parse(text) as { topics: string[]; event: LiveEvent };
    control.publish(topics, event);
    res.end('{}');
  } else if (req.url === '/subscribers') res.end(JSON.stringify({ subscribers: control.subscribers() }));
  else res.writeHead(404).end();
}
