import { Agent, request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { globalId } from '../../src/graphql/builder.ts';
import type { LiveEvent } from '../peers/live.ts';
import { now } from './clock.ts';
import type { Listening } from './protocol.ts';
import type { Account, LiveSchool, Place } from './school.ts';
import { ours, peers, selections } from './selections.ts';
import type { Writer } from './writer.ts';

/** The server under measurement: one interface for the product and the peers. */

/** A subscription to open: the account and its arguments. */
export interface Listener {
  account: Account;
  /** Index in `selections`. */
  selection: number;
  /** The `classId` argument; null subscribes to everything that the account may receive. */
  classId: string | null;
}

/** Whether this listener should receive a change in this class. */
export const hears = ({ account, classId }: Listener, changed: string): boolean =>
  (account.classId === null || account.classId === changed) && (classId === null || classId === changed);

export interface Stage {
  /** Returns the connection parameters of each listener. */
  listening(listeners: readonly Listener[]): Promise<Listening[]>;
  /** Resolves when the server has this many subscribers. */
  settled(count: number): Promise<void>;
  /** Returns the sequence number of the next event. */
  next(): number;
  /** Publishes an event; resolves with the time of its commit (of the publish request for a peer). */
  publish(place: Place): Promise<number>;
}

/** Spreads the listeners over eight loopback addresses, so that no address runs out of ports. */
const localAddress = (n: number): string => `127.0.0.${1 + (n % 8)}`;

export function oursStage(
  urls: readonly string[],
  school: LiveSchool,
  writer: Writer,
  tokensOf: (userIds: readonly string[]) => Promise<string[]>,
): Stage {
  return {
    async listening(listeners) {
      const tokens = await tokensOf(listeners.map(({ account }) => account.userId));
      return listeners.map(({ selection, classId }, n) => ({
        urls: urls.map((_url, at) => urls[(n + at) % urls.length]!),
        localAddress: localAddress(n),
        init: { authorization: `Bearer ${tokens[n]}` },
        query: ours(selections[selection]!),
        variables: { schoolId: globalId('School', school.id), classId: classId === null ? null : globalId('Class', classId) },
        checkpoint: true,
        comesBack: urls.length > 1,
      }));
    },
    settled: () => Promise.resolve(),
    next: () => writer.next(),
    publish: (place) => writer.write(place),
  };
}

/** @param bytes message length by selection, for the peer that sends prepared bytes (live-ws). */
export function peerStage(port: number, school: LiveSchool, bytes?: readonly number[]): Stage {
  // A single connection keeps the order of published events.
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ask = <T>(method: string, path: string, body?: unknown): Promise<T> =>
    new Promise((resolve, reject) => {
      const asked = request({ agent, port, method, path, host: '127.0.0.1', headers: { 'content-type': 'application/json' } }, (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (part: string) => (text += part)).on('end', () => resolve(JSON.parse(text) as T));
      });
      asked.on('error', reject).end(body === undefined ? undefined : JSON.stringify(body));
    });
  let seq = 0;
  return {
    listening: (listeners) =>
      Promise.resolve(
        listeners.map(({ account, selection, classId }, n) => ({
          urls: [`ws://127.0.0.1:${port}/graphql`],
          localAddress: localAddress(n),
          init: {},
          query: peers(selections[selection]!),
          variables: { schoolId: school.id, classId: classId ?? account.classId, ...(bytes && { bytes: bytes[selection] }) },
          checkpoint: false,
          comesBack: false,
        })),
      ),
    async settled(count) {
      while ((await ask<{ subscribers: number }>('GET', '/subscribers')).subscribers < count) await pause(20);
    },
    next: () => seq + 1,
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
      await ask('POST', '/publish', { topics: [school.id, classId], event });
      return at;
    },
  };
}
