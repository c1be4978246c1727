import { randomUUID } from 'node:crypto';
import { now } from './clock.ts';
import type { Heard, Listening, Order, Said } from './protocol.ts';
import { openSocket, type Client } from './socket.ts';

/**
 * The child process of a listener pool: opens subscriptions over graphql-transport-ws, records which event arrived at
 * which listener and when, and reconnects to the next server with the last cursor when a socket breaks.
 */

/** Maximal number of subscriptions that are being opened at once. */
const opening = 40;
const cursorMark = Buffer.from('"cursor":"');
const cursorLength = 512;

interface State {
  spec: Listening;
  id: string;
  client: Client | null;
  ready: boolean;
  /** Sockets opened so far; selects the next server. */
  sockets: number;
  cursor: string | null;
  seqs: number[];
  times: number[];
  bytes: number;
  troubles: string[];
}

const states: State[] = [];
const seqOf = new Map<string, number>();
const expected = new Map<number, number>();
const arrived = new Map<number, number>();
let closing = false;

const say = (said: Said) => process.send!(said);

/** Returns the sequence number in the cursor of an event. */
function seqIn(cursor: string): number {
  let seq = seqOf.get(cursor);
  if (seq === undefined) seqOf.set(cursor, (seq = Number(Buffer.from(cursor, 'base64url').toString().split(':')[1])));
  return seq;
}

function note(state: State, cursor: string, bytes: number): void {
  const seq = seqIn(cursor);
  state.cursor = cursor;
  state.seqs.push(seq);
  state.times.push(now());
  state.bytes += bytes;
  const count = (arrived.get(seq) ?? 0) + 1;
  arrived.set(seq, count);
  if (count === expected.get(seq)) say({ kind: 'complete', seq });
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
  const control = (client: Client, text: string) => {
    const message = JSON.parse(text) as { type: string; payload?: { data?: { enrolments?: { checkpoint?: string } } } };
    if (message.type === 'connection_ack' && !acknowledged) {
      acknowledged = true;
      const variables = { ...spec.variables, ...(state.cursor === null ? {} : { after: state.cursor }) };
      client.send(JSON.stringify({ id, type: 'subscribe', payload: { query: spec.query, variables } }));
      if (!spec.checkpoint) done();
    } else if (message.type === 'ping') client.send('{"type":"pong"}');
    else if (message.type === 'next' && message.payload?.data?.enrolments?.checkpoint !== undefined) {
      // Until the first event, the checkpoint is the cursor to reconnect with.
      state.cursor = message.payload.data.enrolments.checkpoint;
      done();
    } else if (message.type !== 'pong') state.troubles.push(text);
  };
  state.client = openSocket(url, spec.localAddress, {
    open: (client) => client.send(JSON.stringify({ type: 'connection_init', payload: spec.init })),
    text(bytes, start, end) {
      const mark = bytes.subarray(start, Math.min(end, start + cursorLength)).indexOf(cursorMark);
      if (mark < 0) return control(state.client!, bytes.toString('utf8', start, end));
      const from = start + mark + cursorMark.length;
      note(state, bytes.toString('latin1', from, bytes.indexOf(34, from)), end - start);
    },
    closed(reason) {
      state.ready = false;
      if (closing) return;
      if (!spec.comesBack) {
        state.troubles.push(reason);
        return done();
      }
      setTimeout(() => open(state, () => say({ kind: 'back' })), 20 + Math.random() * 100);
    },
  });
}

async function openAll(specs: readonly Listening[]): Promise<void> {
  const queue = specs.map((spec): State => ({
    spec, id: randomUUID(), client: null, ready: false, sockets: 0, cursor: null, seqs: [], times: [], bytes: 0, troubles: [],
  }));
  states.push(...queue);
  const work = async () => {
    for (let state = queue.shift(); state !== undefined; state = queue.shift()) {
      const next = state;
      await new Promise<void>((resolve) => open(next, resolve));
    }
  };
  await Promise.all(Array.from({ length: opening }, work));
  say({ kind: 'opened' });
}

process.on('message', (order: Order) => {
  if (order.kind === 'open') void openAll(order.specs);
  else if (order.kind === 'expect') {
    expected.set(order.seq, order.count);
    if (order.count === (arrived.get(order.seq) ?? 0)) say({ kind: 'complete', seq: order.seq });
  } else if (order.kind === 'forget') {
    for (const state of states) Object.assign(state, { seqs: [], times: [], bytes: 0 });
    expected.clear();
    arrived.clear();
    say({ kind: 'forgotten' });
  } else if (order.kind === 'report') {
    const heard = states.map((state): Heard => ({
      seqs: Uint32Array.from(state.seqs),
      times: Float64Array.from(state.times),
      bytes: state.bytes,
      sockets: state.sockets,
      troubles: state.troubles,
    }));
    say({ kind: 'report', heard });
  } else {
    closing = true;
    for (const state of states) state.client?.close();
    process.disconnect();
  }
});
process.on('disconnect', () => process.exit());
