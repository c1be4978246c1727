import { setTimeout as pause } from 'node:timers/promises';
import { person, type Person } from '../support/client.ts';

/** A client that keeps writing during crashes: it repeats an unacknowledged mutation with the same idempotency key. */

export interface Written {
  schoolId: string;
  /** The id of the created row, from the response to the mutation. */
  id: string;
  /** A unique name. A duplicated write would create two rows with this name. */
  name: string;
  tries: number;
}

interface Writing {
  url: string;
  token: string;
  schoolId: string;
  name: string;
}

type Act = (who: Person, of: { schoolId: string; name: string; idempotencyKey: string }) => Promise<{ __typename: string; id?: string }>;

const acts: readonly Act[] = [
  (who, { schoolId, name, idempotencyKey }) => who.createChat({ schoolId, kind: 'SCHOOL', name, idempotencyKey }),
  (who, { schoolId, name, idempotencyKey }) => who.createInvitation({ schoolId, role: 'TEACHER', label: name, idempotencyKey }),
  (who, { schoolId, name, idempotencyKey }) => who.createClass({ schoolId, grade: 5, letter: name, idempotencyKey }),
];

export async function writer({ url, token, schoolId, name: own }: Writing, stop: { now: boolean }, written: Written[]): Promise<void> {
  const who = person(url, token);
  for (let n = 0; !stop.now; n += 1) {
    const name = `${own}-${n}`;
    for (let tries = 1; ; tries += 1) {
      const answer = await acts[n % acts.length]!(who, { schoolId, name, idempotencyKey: name }).catch(() => null);
      if (answer !== null) {
        if (answer.__typename === 'Refusal' || answer.id === undefined) throw new Error(`${name} was refused: ${JSON.stringify(answer)}`);
        written.push({ schoolId, id: answer.id, name, tries });
        break;
      }
      if (stop.now && tries > 1000) throw new Error(`${name} was never answered`);
      await pause(20);
    }
  }
}
