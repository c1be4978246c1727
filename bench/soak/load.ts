import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { ask, operation, type Ask, type Tally } from './requests.ts';

/** The load of legitimate and hostile clients. Each loop runs until the signal aborts. */

const word = (): string => `f${randomBytes(6).toString('hex')}`;

/** Returns a valid document of 1,500 tokens with random names, so that the server has not cached it. */
const unknownDocument = (): string => `query ${word()} { ${word()}: __typename ${'schools { edges { node { fullName } } } '.repeat(150)} }`;
const smallUnknownDocument = (): string => `query ${word()} { ${word()}: invitationPreview(code: "${word()}") { role } }`;

/** Kinds of useless or invalid requests from unknown clients, sent round-robin. */
const garbage: readonly ((url: string) => Ask)[] = [
  (url) => ({ url, body: operation(unknownDocument()) }),
  (url) => ({ url, body: operation(smallUnknownDocument()) }),
  (url) => ({
    url,
    body: operation(`{ ${Array.from({ length: 20 }, () => `${word()}: invitationPreview(code: "${word()}") { role }`).join(' ')} }`),
  }),
  (url) => ({ url, body: randomBytes(2000) }),
  (url) => ({ url, body: `{"query":"${'{a'.repeat(3000)}"}` }),
  (url) => ({ url, body: operation(unknownDocument()), token: randomBytes(300).toString('base64url') }),
  (url) => ({ url, body: Buffer.concat([Buffer.from('{"query":"{__typename}","variables":{"a":"'), randomBytes(50), Buffer.from('"}}')]) }),
  (url) => ({ url, body: Buffer.alloc(300_000, 97) }),
  (url) => ({ url: url.replace('/graphql', `/join/${word()}`), method: 'GET' }),
  (url) => ({ url: url.replace('/graphql', `/${word()}`), method: 'GET', headers: { accept: 'text/html' } }),
  (url) => ({
    url: url.replace('/graphql', '/oidc/token'),
    body: 'grant_type=refresh_token&refresh_token=x&client_id=x',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  }),
];

export async function sendGarbage(url: string, tally: Tally, signal: AbortSignal): Promise<void> {
  for (let n = 0; !signal.aborted; n += 1) {
    tally.add('garbage', await ask(garbage[n % garbage.length]!(url)));
    await pause(15);
  }
}

/** Opens sockets that never send `connection_init`. */
export async function openSilentSockets(port: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(
      'GET /graphql HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n',
    );
    setTimeout(() => socket.destroy(), 60_000).unref();
    await pause(500);
  }
}

/** A valid but expensive query: every class with its pupils and their classes. */
const heavy = `query Heavy($id: ID!) { node(id: $id) { ... on School { classes(first: 20) { edges { node { name
  enrolments(first: 30) { edges { node { startedAt student { fullName enrolment { class { name } } } } } } } } } } } }`;

export async function readHeavily(url: string, token: string, schoolId: string, tally: Tally, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const reply = await ask({ url, token, body: operation(heavy, { id: schoolId }) });
    tally.add('heavy', reply);
    if (reply.status !== 200) await pause(200);
  }
}

/** Sends documents that the server has not cached, with the token of one account. */
export async function sendUnknownDocuments(url: string, token: string, tally: Tally, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const fields = Array.from({ length: 25 }, () => `${word()}: __typename`).join(' ');
    tally.add('unknown document', await ask({ url, token, body: operation(`query ${word()} { ${fields} }`) }));
    await pause(100);
  }
}

const transfer = `mutation T($input: TransferStudentInput!) { transferStudent(input: $input) { __typename ... on Refusal { code } } }`;

/** Transfers pupils between classes, about two a second; the followers receive these events. */
export async function moveStudents(
  url: string,
  token: string,
  { studentIds, classIds }: { studentIds: readonly string[]; classIds: readonly string[] },
  tally: Tally,
  signal: AbortSignal,
): Promise<void> {
  for (let n = 0; !signal.aborted; n += 1) {
    const input = {
      studentId: studentIds[n % studentIds.length]!,
      classId: classIds[(n + Math.floor(n / studentIds.length) + 1) % classIds.length]!,
    };
    tally.add('move', await ask({ url, token, body: operation(transfer, { input }) }));
    await pause(500);
  }
}
