import { Agent, request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { globalId } from '../../src/graphql/typed-id.ts';
import type { LiveEvent } from '../peers/live.ts';
import { now } from './clock.ts';
import type { ListenerSpec } from './protocol.ts';
import type { Account, LiveSchool, EnrolmentRows } from './school.ts';
import { ours, peers, selections } from './selections.ts';
import type { Writer } from './writer.ts';

/** A subscription to open: the account, the selection and the argument. */
export interface Listener {
  account: Account;
  /** Index in `selections`. */
  selection: number;
  /** The `classId` argument; null subscribes to everything that the account may receive. */
  classId: string | null;
}

/** Whether this listener should receive a change in this class. */
export const shouldReceive = ({ account, classId }: Listener, changedClassId: string): boolean =>
  (account.classId === null || account.classId === changedClassId) && (classId === null || classId === changedClassId);

/** A measured server: our own (`sferaTarget`) or a program of bench/peers (`peerTarget`). */
export interface Target {
  /** Returns the connection parameters of each listener. */
  specsFor(listeners: readonly Listener[]): Promise<ListenerSpec[]>;
  /** Resolves when the server has this many subscribers. */
  waitForSubscribers(count: number): Promise<void>;
  /** Returns the sequence number of the next event. */
  nextSeq(): number;
  /**
   * Publishes an event. For our server, resolves with the time at which the event was committed. For a program of
   * bench/peers, resolves with the time at which the request to publish the event was sent.
   */
  publish(enrolment: EnrolmentRows): Promise<number>;
}

/** Spreads the listeners over eight loopback addresses, so that no address runs out of ports. */
const localAddress = (n: number): string => `127.0.0.${1 + (n % 8)}`;

export function sferaTarget(
  urls: readonly string[],
  school: LiveSchool,
  writer: Writer,
  tokensOf: (userIds: readonly string[]) => Promise<string[]>,
): Target {
  return {
    async specsFor(listeners) {
      const tokens = await tokensOf(listeners.map(({ account }) => account.userId));
      return listeners.map(({ selection, classId }, n) => ({
        urls: urls.map((_url, at) => urls[(n + at) % urls.length]!),
        localAddress: localAddress(n),
        init: { authorization: `Bearer ${tokens[n]}` },
        query: ours(selections[selection]!),
        variables: { schoolId: globalId('School', school.id), classId: classId === null ? null : globalId('Class', classId) },
        checkpoint: true,
        reconnects: urls.length > 1,
      }));
    },
    waitForSubscribers: () => Promise.resolve(),
    nextSeq: () => writer.nextSeq(),
    publish: (enrolment) => writer.write(enrolment),
  };
}

/**
 * Returns a program of bench/peers as a measured server.
 * @param bytes the message length for each index in `selections`. Only for bench/peers/live-ws.ts, which sends prepared
 * bytes.
 */
export function peerTarget(port: number, school: LiveSchool, bytes?: readonly number[]): Target {
  // A single connection keeps the order of published events.
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const send = <T>(method: string, path: string, body?: unknown): Promise<T> =>
    new Promise((resolve, reject) => {
      const sent = request({ agent, port, method, path, host: '127.0.0.1', headers: { 'content-type': 'application/json' } }, (answer) => {
        let text = '';
        answer
          .setEncoding('utf8')
          .on('data', (part: string) => (text += part))
          .on('end', () => resolve(JSON.parse(text) as T));
      });
      sent.on('error', reject).end(body === undefined ? undefined : JSON.stringify(body));
    });
  let seq = 0;
  return {
    specsFor: (listeners) =>
      Promise.resolve(
        listeners.map(({ account, selection, classId }, n) => ({
          urls: [`ws://127.0.0.1:${port}/graphql`],
          localAddress: localAddress(n),
          init: {},
          query: peers(selections[selection]!),
          variables: { schoolId: school.id, classId: classId ?? account.classId, ...(bytes && { bytes: bytes[selection] }) },
          checkpoint: false,
          reconnects: false,
        })),
      ),
    async waitForSubscribers(count) {
      while ((await send<{ subscribers: number }>('GET', '/subscribers')).subscribers < count) await pause(20);
    },
    nextSeq: () => seq + 1,
    async publish({ student, class: { id: classId, grade, letter } }) {
      const { id: studentId, surname, givenName } = student;
      const event: LiveEvent = {
        cursor: Buffer.from(`${school.id}:${(seq += 1)}`).toString('base64url'),
        kind: 'ENROLLED',
        at: new Date().toISOString(),
        studentId: globalId('User', studentId),
        classId,
        student: { surname, givenName, fullName: `${surname} ${givenName}` },
        class: { name: `${grade}${letter}`, grade, letter },
      };
      const at = now();
      await send('POST', '/publish', { topics: [school.id, classId], event });
      return at;
    },
  };
}
