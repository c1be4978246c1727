import { afterAll, beforeAll, expect, it } from 'vitest';
import { Housekeeping } from '../../src/jobs/housekeeping.ts';
import { decodeId } from '../support/decode-id.ts';
import { expectRefusal } from '../support/expect-refusal.ts';
import { buildEndingYear, planYear } from '../support/school-year.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';

let app: Sfera;
beforeAll(async () => {
  app = await openSfera({ HOUSEKEEPING: 'false' });
});
afterAll(() => app.close());

it('deletes one-time links that have expired, and keeps the others', async () => {
  const user = await app.build.user();
  const link = (channel: 'MAILED' | 'HANDED_OVER', seconds: number) =>
    app.db.prisma.passwordLink.create({
      data: { userId: user.id, channel, codeHash: Buffer.from(channel), expiresAt: new Date(Date.now() + seconds * 1000) },
    });
  await link('MAILED', -1);
  await link('HANDED_OVER', 60);
  const housekeeping = new Housekeeping(app.db, app.config, app.log);
  await expect.poll(() => app.db.prisma.passwordLink.findMany({ select: { channel: true } })).toEqual([{ channel: 'HANDED_OVER' }]);
  await housekeeping.close();
});

it('deletes the rows of plans that were made or applied 90 days ago, and keeps those of scheduled plans', async () => {
  const year = await buildEndingYear(app);
  const daysAgo = (days: number): Date => new Date(Date.now() - days * 86_400_000);
  const plan = async (name: string, data: object) => {
    const { id } = decodeId((await planYear(app, year)).id);
    return app.db.prisma.plan.update({ where: { id }, data: { fileName: name, ...data } });
  };
  await plan('new', { createdAt: daysAgo(89) });
  await plan('old', { createdAt: daysAgo(91) });
  await plan('applied lately', { createdAt: daysAgo(120), state: 'APPLIED', appliedAt: daysAgo(1) });
  await plan('applied long ago', { createdAt: daysAgo(120), state: 'APPLIED', appliedAt: daysAgo(91) });
  await plan('scheduled', { createdAt: daysAgo(120), appliesAt: new Date(Date.now() + 60_000) });
  const housekeeping = new Housekeeping(app.db, app.config, app.log);
  const kept = async () => (await app.db.prisma.plan.findMany({ where: { rows: { some: {} } } })).map(({ fileName }) => fileName).sort();
  await expect.poll(kept).toEqual(['applied lately', 'new', 'scheduled']);
  await housekeeping.close();
});

it('an old plan whose rows may be gone can be neither applied nor undone', async () => {
  const year = await buildEndingYear(app);
  const plan = await planYear(app, year);
  const { id } = decodeId(plan.id);
  await app.db.prisma.plan.update({ where: { id }, data: { createdAt: new Date(Date.now() - 90 * 86_400_000) } });
  await expectRefusal(app, year.schoolId, { code: 'CONFLICT', path: ['planId'] }, () => year.by.as.applyPlan({ planId: plan.id }));
  await app.db.prisma.plan.update({ where: { id }, data: { createdAt: new Date() } });
  await year.by.as.applyPlan({ planId: plan.id });
  await app.db.prisma.plan.update({ where: { id }, data: { appliedAt: new Date(Date.now() - 90 * 86_400_000) } });
  await expectRefusal(app, year.schoolId, { code: 'CONFLICT', path: ['planId'] }, () => year.by.as.undoPlan({ planId: plan.id }));
});

it('deletes links to rosters that have expired, and keeps the others', async () => {
  const { school } = await app.build.school();
  const link = (name: string, seconds: number) =>
    app.db.prisma.rosterDownload.create({
      data: {
        ...{ codeHash: Buffer.from(name), schoolId: school.id, format: 'LIST', system: 'roster', fileName: name, credential: {} },
        expiresAt: new Date(Date.now() + seconds * 1000),
      },
    });
  await link('old', -1);
  await link('new', 60);
  const housekeeping = new Housekeeping(app.db, app.config, app.log);
  await expect.poll(() => app.db.prisma.rosterDownload.findMany({ select: { fileName: true } })).toEqual([{ fileName: 'new' }]);
  await housekeeping.close();
});
