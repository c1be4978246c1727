import { afterAll, beforeAll, expect, it } from 'vitest';
import { Housekeeping } from '../../src/jobs/housekeeping.ts';
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
