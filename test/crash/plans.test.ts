import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDataStore } from '../support/data-store.ts';
import { server } from '../support/database.ts';
import { compile, prepareServer, type CompiledServer } from '../support/process.ts';
import { listOf, pupils } from '../support/import-lists.ts';

const count = 300;
/**
 * The test kills one import process at each of these times, in milliseconds after the start of the process. By then the
 * process reads the file, compares, applies the plan, or has finished.
 */
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
    const store = await createDataStore();
    try {
      const { env, schoolId } = await store.use(async (db) => {
        const fixture = await prepareServer(db);
        return { env: fixture.env, schoolId: (await fixture.build.school()).school.id };
      });
      for (const moment of moments) {
        const child = spawn(process.execPath, [compiled.main.replace('main.js', 'cli.js'), 'import', 'list.csv', '--school', schoolId], {
          cwd: root,
          env: { PATH: process.env.PATH ?? '', ...env, ...store.env },
          stdio: 'ignore',
        });
        const closed = new Promise((resolve) => child.once('close', resolve));
        await Promise.race([closed, pause(moment)]);
        child.kill('SIGKILL');
        await closed;
        await store.use(async ({ prisma }) => {
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
      await store.remove();
    }
  });
});
