import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { connect, type Database } from '../../src/db/client.ts';
import { createLogger } from '../../src/logger.ts';
import { server } from '../support/database.ts';
import { compile, prepareServer, type CompiledServer } from '../support/process.ts';
import { listOf, pupils } from '../support/import-lists.ts';
import { createDatabase, dropDatabase } from '../support/server.ts';

const log = createLogger('silent');
const count = 300;
/** Milliseconds after which each process is killed: while it reads, compares, applies, or after it. */
const moments = server === undefined ? [1500, 2500, 3500] : [700, 900, 1100, 1300, 1500, 1800, 2100, 2500];

describe('an import that is killed', () => {
  let compiled: CompiledServer;
  let root: string;
  beforeAll(() => {
    compiled = compile();
    root = mkdtempSync(join(tmpdir(), 'sfera-'));
    writeFileSync(join(root, 'list.csv'), listOf(pupils(count, ['5А', '5Б', '6А'])));
  });
  afterAll(() => {
    compiled?.remove();
    rmSync(root, { recursive: true, force: true });
  });

  it('leaves the whole school as it was, or has applied the whole plan', async () => {
    const place = await openPlace(root);
    try {
      const { env, schoolId } = await place.look(async (db) => {
        const fixture = await prepareServer(db);
        return { env: fixture.env, schoolId: (await fixture.build.school()).school.id };
      });
      for (const moment of moments) {
        const child = spawn(process.execPath, [compiled.main.replace('main.js', 'cli.js'), 'import', 'list.csv', '--school', schoolId], {
          cwd: root,
          env: { PATH: process.env.PATH ?? '', ...env, ...place.env },
          stdio: 'ignore',
        });
        const closed = new Promise((resolve) => child.once('close', resolve));
        await Promise.race([closed, pause(moment)]);
        child.kill('SIGKILL');
        await closed;
        await place.look(async ({ prisma }) => {
          const applied = await prisma.plan.count({ where: { schoolId, state: 'APPLIED' } });
          const states = {
            people: await prisma.user.count({
              where: { grants: { some: { schoolId } }, joinedAt: null, birthDate: null, signInName: null },
            }),
            enrolments: await prisma.enrolment.count({ where: { schoolId } }),
            events: await prisma.event.count({ where: { schoolId, type: 'student.enrolled' } }),
          };
          const whole = applied > 0 ? count : 0;
          expect(states).toEqual({ people: whole, enrolments: whole, events: whole });
          expect(applied).toBeLessThanOrEqual(1);
        });
      }
    } finally {
      await place.remove();
    }
  });
});

interface Place {
  env: Record<string, string>;
  /** Opens the database while no process of the test uses it. */
  look<T>(at: (db: Database) => Promise<T>): Promise<T>;
  remove(): Promise<void>;
}

async function openPlace(root: string): Promise<Place> {
  if (server === undefined) {
    const dataDir = join(root, 'store');
    return {
      env: { DATA_DIR: dataDir },
      async look(at) {
        const db = await connect({ poolSize: 1, dataDir, log, template: readFileSync(inject('template')) });
        try {
          return await at(db);
        } finally {
          await db.close();
        }
      },
      remove: async () => {},
    };
  }
  const url = server;
  const made = await createDatabase(url, inject('template'));
  const db = await connect({ databaseUrl: made.url, poolSize: 4, log });
  return {
    env: { DATABASE_URL: made.url },
    look: (at) => at(db),
    async remove() {
      await db.close();
      await dropDatabase(url, made.name);
    },
  };
}
