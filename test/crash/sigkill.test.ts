import { setTimeout as pause } from 'node:timers/promises';
import { encodeGlobalID } from '@pothos/plugin-relay';
import { afterAll, beforeAll, describe, expect, it, onTestFailed } from 'vitest';
import { eventsStream } from '../http/live/streams.ts';
import { createRandom } from '../support/random.ts';
import { createDataStore, type DataStore } from '../support/data-store.ts';
import { server } from '../support/database.ts';
import { follower, type Follower } from '../support/follower.ts';
import { compile, prepareServer, startServer, type ServerProcess, type CompiledServer, type ServerFixture } from '../support/process.ts';
import { writer, type Written } from './writer.ts';

/** Number of kills: fewer on the embedded database, which starts more slowly. */
const kills = server === undefined ? 3 : 20;
const writersOfSchool = 4;
const readersOfSchool = 2;

describe('a server killed at random moments under writers and followers', () => {
  let compiled: CompiledServer;
  let store: DataStore;
  beforeAll(async () => {
    compiled = compile();
    store = await createDataStore();
  });
  afterAll(async () => {
    compiled?.remove();
    await store?.remove();
  });

  interface Campus {
    schoolId: string;
    token: string;
    writers: string[];
  }

  async function campus(fixture: ServerFixture): Promise<Campus> {
    const { school, administrator } = await fixture.build.school();
    const writers = await Promise.all(
      Array.from({ length: writersOfSchool }, () => fixture.build.user({ schoolId: school.id, role: 'PLATFORM_ADMINISTRATOR' })),
    );
    return { schoolId: school.id, token: await fixture.token(administrator), writers: await Promise.all(writers.map(fixture.token)) };
  }

  it('neither loses nor duplicates an acknowledged write or an event after a cursor', async () => {
    const random = createRandom();
    onTestFailed(() => console.error(`SEED=${random.seed}`));
    const { port, env, schools } = await store.use(async (db) => {
      const fixture = await prepareServer(db);
      return { ...fixture, schools: [await campus(fixture), await campus(fixture)] };
    });
    const url = `http://127.0.0.1:${port}/graphql`;
    const stop = { now: false };
    const written: Written[] = [];
    const followers: (Follower & { schoolId: string })[] = [];
    const writing: Promise<void>[] = [];
    let child: ServerProcess | undefined;
    try {
      for (const { schoolId, token, writers } of schools) {
        const school = encodeGlobalID('School', schoolId);
        const after = Buffer.from(`${schoolId}:0`).toString('base64url');
        for (let n = 0; n < readersOfSchool; n += 1)
          followers.push(
            Object.assign(follower({ url, token, query: eventsStream, variables: { schoolId: school, after } }), { schoolId }),
          );
        for (const each of writers) writing.push(writer({ url, token: each, schoolId: school, name: `${writing.length}` }, stop, written));
      }
      // Rejects as soon as a mutation of a writer is refused; never resolves.
      const failed = Promise.race(writing.map((each) => each.then(() => new Promise<never>(() => {}))));
      const storm = async () => {
        for (let n = 0; n < kills && !stop.now; n += 1) {
          child = startServer(compiled, port, { ...env, ...store.env });
          // Kills some servers while they start.
          if (random.next() < 0.15) await pause(random.integer(0, 1500));
          else {
            await child.ready();
            for (const enough = written.length + random.integer(0, 40); written.length < enough && !stop.now;) await pause(5);
            await pause(random.integer(0, 50));
          }
          await child.kill();
        }
        if (stop.now) return;
        child = startServer(compiled, port, { ...env, ...store.env });
        await child.ready();
      };
      await Promise.race([storm(), failed]);
      stop.now = true;
      await Promise.all(writing);
      for (const each of followers)
        await each.until(
          (items) => items.length >= written.filter(({ schoolId }) => schoolId === encodeGlobalID('School', each.schoolId)).length,
        );
    } finally {
      stop.now = true;
      for (const each of followers) each.close();
      await child?.kill('SIGTERM');
    }

    await store.use(async (db) => {
      for (const { schoolId } of schools) {
        const events = await db.prisma.event.findMany({ where: { schoolId }, orderBy: { seq: 'asc' } });
        const ours = written.filter((each) => each.schoolId === encodeGlobalID('School', schoolId));
        // Each write has exactly one row, with the acknowledged id, and exactly one event.
        const rows = [
          ...(await db.prisma.chat.findMany({ where: { schoolId } })).map(({ id, name }) => ({ id: encodeGlobalID('Chat', id), name })),
          ...(await db.prisma.invitation.findMany({ where: { schoolId } })).map(({ id, label }) => ({
            id: encodeGlobalID('Invitation', id),
            name: label!,
          })),
          ...(await db.prisma.class.findMany({ where: { schoolId } })).map(({ id, letter }) => ({
            id: encodeGlobalID('Class', id),
            name: letter,
          })),
        ];
        expect(sorted(rows)).toEqual(sorted(ours.map(({ id, name }) => ({ id, name }))));
        expect(events.map(({ seq }) => seq)).toEqual(events.map((_, n) => BigInt(n + 1)));
        const made = events.map(({ type, payload }) => {
          const { chatId, invitationId, classId } = payload as Record<string, string>;
          const [thing, id] =
            type === 'chat.created' ? ['Chat', chatId] : type === 'invitation.created' ? ['Invitation', invitationId] : ['Class', classId];
          return encodeGlobalID(thing, id!);
        });
        expect([...made].sort()).toEqual(ours.map(({ id }) => id).sort());
        for (const each of followers.filter((one) => one.schoolId === schoolId))
          expect(each.items.map(({ event }) => (event as { seq: string }).seq)).toEqual(events.map(({ seq }) => seq.toString()));
      }
    });
    const [repeated, reconnects] = [
      written.filter(({ tries }) => tries > 1).length,
      followers.reduce((sum, each) => sum + each.reconnects, 0),
    ];
    console.info(`${kills} kills, ${written.length} writes, ${repeated} of them tried again, followers came back ${reconnects} times`);
    expect(repeated).toBeGreaterThan(0);
  });
});

const sorted = (rows: { id: string; name: string }[]) => [...rows].sort((a, b) => (a.id < b.id ? -1 : 1));
