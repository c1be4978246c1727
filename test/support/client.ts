import { print, type DocumentNode } from 'graphql';
import { createClient, type Client } from 'graphql-ws';
import type { TypedDocumentNode } from '@graphql-typed-document-node/core';
import { WebSocket } from 'ws';
import * as documents from '../generated/operations.ts';
import { factMs } from './limits.ts';

/** A client of the API that acts as one person, over real HTTP and WebSocket. */

type Documents = typeof documents;
type Operations = { [K in keyof Documents as K extends `${infer Name}Document` ? Uncapitalize<Name> : never]: Documents[K] };
type Call<D> =
  D extends TypedDocumentNode<infer Result, infer Variables>
    ? (variables?: Variables extends { input: infer Input } ? Input : Variables) => Promise<Rooted<Result>>
    : never;
/** The type of the operation's only root field. */
type Rooted<Result> = Result[Exclude<keyof Result, '__typename'>];
type Calls = { [K in keyof Operations]: Call<Operations[K]> };

export interface Answer {
  status: number;
  data?: Record<string, unknown> | null;
  errors?: { message: string; path?: unknown[]; extensions: { code: string; path?: string[] } }[];
}

/** Thrown when the response has `errors` or no `data`. */
class RequestFailed extends Error {
  readonly answer: Answer;
  constructor(answer: Answer) {
    super(JSON.stringify(answer.errors));
    this.answer = answer;
  }
  get codes(): string[] {
    return (this.answer.errors ?? []).map((error) => error.extensions.code);
  }
}

export interface OpenStream {
  /** Every item of the root field, in order. */
  readonly items: Record<string, any>[];
  /** The items except `Checkpoint`, `Ended` and `ResyncRequired`. */
  readonly news: Record<string, any>[];
  /** Resolves when the stream has ended: with its errors, or the close code of its socket. */
  readonly over: Promise<{ errors?: readonly { extensions?: { code?: string } }[]; code?: number }>;
  /** Waits until the predicate is true; fails after `factMs` with the items received. */
  until(isSatisfied: (stream: OpenStream) => boolean): Promise<void>;
  close(): void;
}

export interface Person extends Calls {
  token: string;
  /** Sends any query; returns the whole response, with errors. */
  send(query: string | DocumentNode, variables?: object, headers?: Record<string, string>): Promise<Answer>;
  /** Subscribes over WebSocket. */
  listen(query: string | DocumentNode, variables?: object): OpenStream;
  /** Subscribes over server-sent events. */
  listenSse(query: string | DocumentNode, variables?: object): OpenStream;
}

/** A person whose token may not exist yet. Every call waits for the token. */
export type SignedIn = Omit<Person, 'token' | 'listen' | 'listenSse'> & {
  [K in 'listen' | 'listenSse']: (...args: Parameters<Person[K]>) => Promise<OpenStream>;
};

export function person(url: string, token: string): Person {
  const authorization: Record<string, string> = token === '' ? {} : { authorization: `Bearer ${token}` };
  const text = (query: string | DocumentNode) => (typeof query === 'string' ? query : print(query));
  const send: Person['send'] = async (query, variables, headers = {}) => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json', ...authorization, ...headers },
      body: JSON.stringify({ query: text(query), variables }),
    });
    return { status: response.status, ...((await response.json()) as object) };
  };
  const own = {
    token,
    send,
    listen: (query: string | DocumentNode, variables?: object) => overSocket(url, token, text(query), variables),
    listenSse: (query: string | DocumentNode, variables?: object) => overSse(url, authorization, text(query), variables),
  };
  return new Proxy(own as unknown as Person, {
    get(target, name: string) {
      if (name in target || name === 'then') return target[name as keyof Person];
      const document = (documents as Record<string, unknown>)[`${name[0]!.toUpperCase()}${name.slice(1)}Document`] as
        DocumentNode | undefined;
      if (document === undefined) throw new Error(`test/operations has no operation ${name}`);
      const [operation] = document.definitions;
      const takesInput =
        operation?.kind === 'OperationDefinition' && operation.variableDefinitions?.some((each) => each.variable.name.value === 'input');
      return async (variables: object = {}) => {
        const answer = await send(document, takesInput ? { input: variables } : variables);
        if (answer.errors !== undefined || !answer.data) throw new RequestFailed(answer);
        return Object.values(answer.data)[0];
      };
    },
  });
}

function collect(close: () => void) {
  const checks = new Set<() => void>();
  const items: Record<string, any>[] = [];
  let finish!: (outcome: Awaited<OpenStream['over']>) => void;
  const over = new Promise<Awaited<OpenStream['over']>>((resolve) => (finish = resolve));
  const stream: OpenStream = {
    items,
    get news() {
      return items.filter((item) => !['Checkpoint', 'Ended', 'ResyncRequired'].includes(item.__typename as string));
    },
    over,
    until: (isSatisfied) =>
      new Promise((resolve, reject) => {
        const check = () => {
          if (!isSatisfied(stream)) return;
          clearTimeout(timer);
          checks.delete(check);
          resolve();
        };
        const timer = setTimeout(() => {
          checks.delete(check);
          reject(new Error(`timed out; received ${JSON.stringify(items)}`));
        }, factMs);
        checks.add(check);
        check();
      }),
    close,
  };
  return {
    stream,
    finish,
    push(item: Record<string, any>) {
      items.push(item);
      for (const check of [...checks]) check();
    },
  };
}

function overSocket(url: string, token: string, query: string, variables?: object): OpenStream {
  const client: Client = createClient({
    url: url.replace(/^http/, 'ws'),
    webSocketImpl: WebSocket,
    connectionParams: token === '' ? {} : { authorization: `Bearer ${token}` },
    retryAttempts: 0,
    lazyCloseTimeout: 0,
  });
  let unsubscribe = () => {};
  const { stream, push, finish } = collect(() => {
    unsubscribe();
    void client.dispose();
  });
  unsubscribe = client.subscribe(
    { query, variables: variables as Record<string, unknown> },
    {
      next: ({ data, errors }) => {
        if (errors) finish({ errors });
        else push(Object.values(data as object)[0] as Record<string, any>);
      },
      error: (error) => finish(Array.isArray(error) ? { errors: error as [] } : { code: (error as { code?: number }).code ?? 0 }),
      complete: () => finish({}),
    },
  );
  return stream;
}

function overSse(url: string, headers: Record<string, string>, query: string, variables?: object): OpenStream {
  const abort = new AbortController();
  const { stream, push, finish } = collect(() => abort.abort());
  const run = async () => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream', ...headers },
      body: JSON.stringify({ query, variables }),
      signal: abort.signal,
    });
    let rest = '';
    for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
      const blocks = (rest + part).split('\n\n');
      rest = blocks.pop()!;
      for (const block of blocks) {
        const lines = block.split('\n');
        const data = lines
          .filter((line) => line.startsWith('data:'))
          .map((line) => line.slice(5).trim())
          .join('\n');
        if (lines.includes('event: next')) {
          const result = JSON.parse(data) as { data?: object; errors?: [] };
          if (result.errors) finish({ errors: result.errors });
          else push(Object.values(result.data!)[0] as Record<string, any>);
        }
      }
    }
    finish({});
  };
  run().catch(() => finish({}));
  return stream;
}
