import { randomUUID } from 'node:crypto';
import { now } from './clock.ts';
import type { ListenerReport, ListenerSpec, Command, Message } from './protocol.ts';
import { openSocket, type Client } from './socket.ts';

/**
 * The child process of a listener pool. Opens subscriptions over graphql-transport-ws, and records when each event
 * arrived at each listener. When a socket breaks, reconnects to the next server with the last cursor.
 */

/** Maximal number of subscriptions that may be opening at once. */
const maxOpening = 40;
const cursorMark = Buffer.from('"cursor":"');
const cursorLength = 512;

interface State {
  spec: ListenerSpec;
  id: string;
  client: Client | null;
  ready: boolean;
  /** Number of sockets opened so far. Selects the URL of the next socket. */
  sockets: number;
  cursor: string | null;
  seqs: number[];
  times: number[];
  bytes: number;
  problems: string[];
}

const states: State[] = [];
const seqOf = new Map<string, number>();
const expected = new Map<number, number>();
const arrivals = new Map<number, number>();
let closing = false;

const send = (said: Message) => process.send!(said);

/** Returns the sequence number in the cursor of an event. */
function decodeSeq(cursor: string): number {
  let seq = seqOf.get(cursor);
  if (seq === undefined) seqOf.set(cursor, (seq = Number(Buffer.from(cursor, 'base64url').toString().split(':')[1])));
  return seq;
}

function recordEvent(state: State, cursor: string, bytes: number): void {
  const seq = decodeSeq(cursor);
  state.cursor = cursor;
  state.seqs.push(seq);
  state.times.push(now());
  state.bytes += bytes;
  const count = (arrivals.get(seq) ?? 0) + 1;
  arrivals.set(seq, count);
  if (count === expected.get(seq)) send({ kind: 'complete', seq });
}

function open(state: State, ready: () => void): void {
  const { spec, id } = state;
  const url = spec.urls[state.sockets % spec.urls.length]!;
  state.sockets += 1;
  let acknowledged = false;
  const done = () => {
    if (state.ready) return;
    state.ready = true;
    ready();
  };
  const handleControl = (client: Client, text: string) => {
    const message = JSON.parse(text) as { type: string; payload?: { data?: { enrolments?: { checkpoint?: string } } } };
    if (message.type === 'connection_ack' && !acknowledged) {
      acknowledged = true;
      const variables = { ...spec.variables, ...(state.cursor === null ? {} : { after: state.cursor }) };
      client.send(JSON.stringify({ id, type: 'subscribe', payload: { query: spec.query, variables } }));
      if (!spec.checkpoint) done();
    } else if (message.type === 'ping') client.send('{"type":"pong"}');
    else if (message.type === 'next' && message.payload?.data?.enrolments?.checkpoint !== undefined) {
      // A socket that breaks before the first event reconnects with the cursor of the checkpoint.
      state.cursor = message.payload.data.enrolments.checkpoint;
      done();
    } else if (message.type !== 'pong') state.problems.push(text);
  };
  state.client = openSocket(url, spec.localAddress, {
    open: (client) => client.send(JSON.stringify({ type: 'connection_init', payload: spec.init })),
    text(bytes, start, end) {
      const mark = bytes.subarray(start, Math.min(end, start + cursorLength)).indexOf(cursorMark);
      if (mark < 0) return handleControl(state.client!, bytes.toString('utf8', start, end));
      const from = start + mark + cursorMark.length;
      recordEvent(state, bytes.toString('latin1', from, bytes.indexOf(34, from)), end - start);
    },
    closed(reason) {
      state.ready = false;
      if (closing) return;
      if (!spec.reconnects) {
        state.problems.push(reason);
        return done();
      }
      setTimeout(() => open(state, () => send({ kind: 'reconnected' })), 20 + Math.random() * 100);
    },
  });
}

async function openAll(specs: readonly ListenerSpec[]): Promise<void> {
  const queue = specs.map((spec): State => ({
    spec,
    id: randomUUID(),
    client: null,
    ready: false,
    sockets: 0,
    cursor: null,
    seqs: [],
    times: [],
    bytes: 0,
    problems: [],
  }));
  states.push(...queue);
  const work = async () => {
    for (let state = queue.shift(); state !== undefined; state = queue.shift()) {
      const next = state;
      await new Promise<void>((resolve) => open(next, resolve));
    }
  };
  await Promise.all(Array.from({ length: maxOpening }, work));
  send({ kind: 'opened' });
}

process.on('message', (command: Command) => {
  if (command.kind === 'open') void openAll(command.specs);
  else if (command.kind === 'expect') {
    expected.set(command.seq, command.count);
    if (command.count === (arrivals.get(command.seq) ?? 0)) send({ kind: 'complete', seq: command.seq });
  } else if (command.kind === 'reset') {
    for (const state of states) Object.assign(state, { seqs: [], times: [], bytes: 0 });
    expected.clear();
    arrivals.clear();
    send({ kind: 'resetDone' });
  } else if (command.kind === 'report') {
    const reports = states.map((state): ListenerReport => ({
      seqs: Uint32Array.from(state.seqs),
      times: Float64Array.from(state.times),
      bytes: state.bytes,
      sockets: state.sockets,
      problems: state.problems,
    }));
    send({ kind: 'report', reports });
  } else {
    closing = true;
    for (const state of states) state.client?.close();
    process.disconnect();
  }
});
process.on('disconnect', () => process.exit());
