import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';

/**
 * What the peers of the socket measures share: the product's stream in a schema of their own, and an iterator in memory.
 * Their items are ready objects: they read no database and check no rights, which favours them.
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

/** Who follows what: a whole school by its id, a class by its own. */
export const topicOf = (args: { schoolId: string; classId?: string | null }): string => args.classId ?? args.schoolId;

/** The iterator in memory: whoever subscribes gets what is published from then on, in order. */
export class Topics<T> {
  readonly #subscribers = new Map<string, Set<(event: T) => void>>();
  count = 0;

  publish(topics: readonly string[], event: T): void {
    for (const topic of topics) for (const push of this.#subscribers.get(topic) ?? []) push(event);
  }

  subscribe(topic: string): AsyncIterableIterator<T> {
    const waiting: T[] = [];
    let wake: ((result: IteratorResult<T>) => void) | undefined;
    const push = (event: T) => {
      if (wake === undefined) return void waiting.push(event);
      wake({ done: false, value: event });
      wake = undefined;
    };
    const others = this.#subscribers.get(topic) ?? new Set();
    this.#subscribers.set(topic, others.add(push));
    this.count += 1;
    const end: IteratorResult<T> = { done: true, value: undefined };
    const iterator: AsyncIterableIterator<T> = {
      next: () => (waiting.length > 0 ? Promise.resolve({ done: false, value: waiting.shift()! }) : new Promise((resolve) => (wake = resolve))),
      return: () => {
        if (others.delete(push)) this.count -= 1;
        wake?.(end);
        return Promise.resolve(end);
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }
}

/** A trigger from outside: `POST /publish` publishes its body's event, `GET /subscribers` answers how many there are. */
export interface Trigger {
  publish(topics: readonly string[], event: LiveEvent): void;
  subscribers(): number;
}

export async function answerTrigger(req: IncomingMessage, res: ServerResponse, trigger: Trigger): Promise<void> {
  if (req.url === '/publish' && req.method === 'POST') {
    let text = '';
    for await (const chunk of req.setEncoding('utf8')) text += chunk as string;
    const { topics, event } = JSON.parse(text) as { topics: string[]; event: LiveEvent };
    trigger.publish(topics, event);
    res.end('{}');
  } else if (req.url === '/subscribers') res.end(JSON.stringify({ subscribers: trigger.subscribers() }));
  else res.writeHead(404).end();
}
