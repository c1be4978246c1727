import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket } from 'ws';

/**
 * Sends valid documents that fill the caches of a server. @throws if the server answers with an unexpected error code.
 */

interface Answer {
  data?: Record<string, unknown> | null;
  errors?: { extensions: { code: string } }[];
}

/** The server under load, and the tokens of the accounts that share the load. */
export interface HeapTarget {
  url: string;
  tokens: readonly string[];
}

const parallelRequests = 8;
/** Milliseconds to wait for the refusals of subscriptions. A refusal may arrive after the answer to a later query. */
const settleMs = 3000;

async function send(url: string, token: string | undefined, body: object): Promise<Answer> {
  const headers = { 'content-type': 'application/json', ...(token !== undefined && { authorization: `Bearer ${token}` }) };
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
  return (await response.json()) as Answer;
}

const codesOf = ({ errors }: Answer): string[] => (errors ?? []).map(({ extensions }) => extensions.code);

function expectCodes(codes: Iterable<string>, allowed: readonly string[]): void {
  for (const code of codes) if (!allowed.includes(code)) throw new Error(`the server answered ${code}`);
}

/** Calls `request` with each number from 0 to `count` - 1. Eight calls run at a time. */
async function repeat(count: number, request: (n: number) => Promise<void>): Promise<void> {
  let next = 0;
  const run = async (): Promise<void> => {
    while (next < count) await request(next++);
  };
  await Promise.all(Array.from({ length: parallelRequests }, run));
}

/** @throws if an account gets no answer to a small query. */
export async function expectAlive({ url, tokens }: HeapTarget): Promise<void> {
  for (const token of tokens) {
    const answer = await send(url, token, { query: '{ viewer { __typename } }' });
    if (answer.data?.viewer === undefined) throw new Error(`the server answered ${JSON.stringify(answer)}`);
  }
}

/** Returns a document of 14 KB and about 1,500 tokens. */
function largeDocument(name: string): string {
  const fields = 'id fullName shortName surname givenName patronymic '.repeat(50);
  const aliases = Array.from({ length: 5 }, (_, n) => `a${n}: viewer { ${fields} }`);
  return `query ${name} { ${aliases.join(' ')} __typename } #${'x'.repeat(2000)}`;
}

/** Sends distinct large documents. Two in five requests have no access token. */
export async function sendLargeDocuments({ url, tokens }: HeapTarget, count: number): Promise<void> {
  let answered = 0;
  await repeat(count, async (n) => {
    const isAnonymous = n % 5 < 2;
    const answer = await send(url, isAnonymous ? undefined : tokens[n % tokens.length], { query: largeDocument(`Q${n}`) });
    if (isAnonymous) return;
    expectCodes(codesOf(answer), ['RATE_LIMITED']);
    if (answer.data) answered += 1;
  });
  if (answered < count / 3) throw new Error(`only ${answered} of ${count} documents were executed, so the caches were not filled`);
}

/**
 * Sends one small document `count` times. Each time its nine Boolean variables have another combination of values. The
 * server compiles a separate plan for each combination.
 */
export async function sendExpandingDocument({ url, tokens }: HeapTarget, count: number): Promise<void> {
  const names = Array.from({ length: 9 }, (_, n) => `v${n}`);
  const fields = '{ id __typename ... on User { fullName shortName } ... on Class { name grade } }';
  const query = `query Q(${names.map((name) => `$${name}: Boolean!`).join(' ')}) {
    ${names.map((name, n) => `a${n}: node(id: "x") @include(if: $${name}) ${fields}`).join(' ')}
    b: node(id: "x") ${fields} c: node(id: "x") ${fields}
  }`;
  await repeat(count, async (n) => {
    const variables = Object.fromEntries(names.map((name, at) => [name, (n & (1 << at)) > 0]));
    expectCodes(codesOf(await send(url, tokens[n % tokens.length], { query, variables })), []);
  });
}

/** The socket of one account, and the refusals that arrived on it. */
interface Subscriber {
  socket: WebSocket;
  /** Codes of refused subscriptions. */
  codes: Set<string>;
}

/**
 * Opens a socket for each account and starts distinct large subscriptions on it. Returns the codes of the refused
 * subscriptions, and a function that closes the sockets.
 */
export async function openSubscriptions(
  { url, tokens }: HeapTarget,
  schoolId: string,
  perAccount: number,
): Promise<{ codes: ReadonlySet<string>; close(): void }> {
  const subscribers = await Promise.all(
    tokens.map((token, account) =>
      openSubscriber(
        url,
        token,
        Array.from({ length: perAccount }, (_, n) => largeSubscription(`S${account}x${n}`, schoolId)),
      ),
    ),
  );
  await pause(settleMs);
  const codes = new Set(subscribers.flatMap((subscriber) => [...subscriber.codes]));
  expectCodes(codes, ['TOO_MANY_DOCUMENTS', 'UNAVAILABLE', 'RATE_LIMITED']);
  const sockets = subscribers.map(({ socket }) => socket);
  if (sockets.some(({ readyState }) => readyState !== WebSocket.OPEN)) throw new Error('the server closed a socket');
  return { codes, close: () => sockets.forEach((socket) => socket.terminate()) };
}

const largeSubscription = (name: string, schoolId: string): object => ({
  query: `subscription ${name}($id: ID!) { chats(schoolId: $id) { ... on ChatChange { ${'chat { id } at chatId '.repeat(80)} } } }`,
  variables: { id: schoolId },
});

/** Sends the subscriptions and then a query. Resolves when the server has answered the query. */
async function openSubscriber(url: string, token: string, subscriptions: readonly object[]): Promise<Subscriber> {
  const socket = new WebSocket(url.replace(/^http/, 'ws'), 'graphql-transport-ws', { perMessageDeflate: false });
  const codes = new Set<string>();
  const sendMessage = (message: object): void => socket.send(JSON.stringify(message));
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject).once('close', (code) => reject(new Error(`the server closed a socket with ${code}`)));
    socket.once('open', () => sendMessage({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } }));
    socket.on('message', (bytes: Buffer) => {
      const { type, id, payload } = JSON.parse(bytes.toString()) as { type: string; id?: string; payload?: Answer };
      if (type === 'connection_ack') {
        subscriptions.forEach((subscription, n) => sendMessage({ type: 'subscribe', id: `s${n}`, payload: subscription }));
        sendMessage({ type: 'subscribe', id: 'last', payload: { query: '{ __typename }' } });
      }
      // The only result of a refused subscription contains its errors.
      if (type === 'next') for (const code of codesOf(payload ?? {})) codes.add(code);
      if (type === 'complete' && id === 'last') resolve();
    });
  });
  return { socket, codes };
}
