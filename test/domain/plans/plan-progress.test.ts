import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PlanProgressReporter } from '../../../src/domain/plans/plan-progress.ts';
import type { Signal } from '../../../src/events/live/signals.ts';
import type { OpenStream } from '../../support/client.ts';
import { importList, planList, pupils, senderOf } from '../../support/import-lists.ts';
import { openSfera, type Sfera } from '../../support/sfera.ts';

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
afterAll(() => app.close());

const query = `subscription ($schoolId: ID!) {
  planProgress(schoolId: $schoolId) {
    __typename
    ... on PlanProgress { planId uploadId stage done total }
    ... on SignalsEnded { reason }
  }
}`;

async function scene() {
  const { school, administrator } = await app.build.school();
  return { school, administrator, by: await senderOf(app, administrator), schoolId: app.id('School', school.id) };
}

const progressOf = ({ items }: OpenStream) => items.filter(({ __typename }) => __typename === 'PlanProgress');
const finished = (stream: OpenStream) => progressOf(stream).filter(({ stage }) => stage === 'FINISHED').length;
const stagesOf = (items: readonly Record<string, any>[]) => [...new Set(items.map(({ stage }) => stage as string))];
const started = (stream: OpenStream) => stream.until(({ items }) => items.length > 0);

describe('planProgress', () => {
  it('tells how far planImport and applyPlan are, in order, before they answer', async () => {
    const { school, by, schoolId } = await scene();
    const stream = by.as.listen(query, { schoolId });
    await started(stream);
    expect(stream.items[0]).toEqual({ __typename: 'SignalsStarted' });
    const plan = await planList(app, by, school.id, pupils(400, ['5А', '5Б', '6А']));
    await stream.until((s) => finished(s) === 1);
    const ofImport = progressOf(stream);
    expect(stagesOf(ofImport)).toEqual(['READING', 'COMPARING', 'WRITING', 'FINISHED']);
    expect(ofImport.every(({ planId, uploadId }) => planId === plan.id && String(uploadId).length > 0)).toBe(true);
    expect(ofImport.find(({ stage }) => stage === 'WRITING')).toMatchObject({ done: 0, total: 403 });
    let isAnswered = false;
    const applied = by.as.applyPlan({ planId: plan.id }).finally(() => (isAnswered = true));
    await stream.until((s) =>
      progressOf(s)
        .slice(ofImport.length)
        .some(({ stage }) => stage === 'WRITING'),
    );
    expect(isAnswered).toBe(false);
    expect(await applied).toMatchObject({ state: 'APPLIED' });
    await stream.until((s) => finished(s) === 2);
    const ofApply = progressOf(stream).slice(ofImport.length);
    expect(stagesOf(ofApply)).toEqual(['CHECKING', 'WRITING', 'FINISHED']);
    expect(ofApply.every(({ planId, uploadId }) => planId === plan.id && uploadId === null)).toBe(true);
    const written = ofApply.filter(({ stage }) => stage === 'WRITING');
    expect(written[0]).toMatchObject({ done: 0, total: 403 });
    expect(new Set(stream.items.map((item) => JSON.stringify(item))).size, 'each once').toBe(stream.items.length);
    expect(written.map(({ done }) => done as number)).toEqual(written.map(({ done }) => done as number).sort((a, b) => a - b));
    stream.close();
  });

  it('ends with FINISHED for a plan that is refused', async () => {
    const { school, by, schoolId } = await scene();
    await importList(app, by, school.id, pupils(10));
    const plan = await planList(app, by, school.id, pupils(5));
    const stream = by.as.listen(query, { schoolId });
    await started(stream);
    expect(await by.as.applyPlan({ planId: plan.id })).toMatchObject({ __typename: 'Refusal', code: 'CONFLICT' });
    await stream.until((s) => finished(s) === 1);
    expect(stagesOf(progressOf(stream))).toEqual(['CHECKING', 'FINISHED']);
    stream.close();
  });

  it('is in no log, and no other stream has it', async () => {
    const { school, by, schoolId } = await scene();
    const log = by.as.listen('subscription ($schoolId: ID!) { events(schoolId: $schoolId) { __typename } }', { schoolId });
    const stream = by.as.listen(query, { schoolId });
    await Promise.all([started(log), started(stream)]);
    await planList(app, by, school.id, pupils(20));
    await stream.until((s) => finished(s) === 1);
    expect((await app.events(school.id)).map(({ type }) => type)).toEqual(['upload.created', 'plan.ready']);
    await log.until(({ news }) => news.length === 2);
    for (const each of [log, stream]) each.close();
  });

  it('refuses teachers and the administration, and does not know the school of others', async () => {
    const { school, schoolId } = await scene();
    const teacher = await app.build.teacher({ schoolId: school.id });
    const leader = await app.build.user({ schoolId: school.id, role: 'SCHOOL_ADMINISTRATION' });
    const foreign = await app.build.school();
    for (const [person, code] of [
      [teacher, 'FORBIDDEN'],
      [leader, 'FORBIDDEN'],
      [foreign.administrator, 'NOT_FOUND'],
    ] as const) {
      const stream = await app.as(person).listen(query, { schoolId });
      expect((await stream.over).errors?.[0]?.extensions).toMatchObject({ code });
      expect(stream.items).toEqual([]);
    }
  });

  it('delivers nothing of another school, and to a service only the progress of its own plans', async () => {
    const { school, by, schoolId } = await scene();
    const other = await scene();
    const service = await app.senderOfService(school.id);
    const elsewhere = other.by.as.listen(query, { schoolId: other.schoolId });
    const ofService = service.as.listen(query, { schoolId });
    const all = by.as.listen(query, { schoolId });
    await Promise.all([elsewhere, ofService, all].map(started));
    await planList(app, by, school.id, pupils(20));
    const plan = await planList(app, service, school.id, pupils(20));
    await Promise.all([all.until((s) => finished(s) === 2), ofService.until((s) => finished(s) === 1)]);
    expect(new Set(progressOf(ofService).map(({ planId }) => planId as string))).toEqual(new Set([plan.id]));
    await planList(app, other.by, other.school.id, pupils(5));
    await elsewhere.until((s) => finished(s) === 1);
    expect(new Set(progressOf(elsewhere).map(({ planId }) => planId as string)).size).toBe(1);
    for (const each of [elsewhere, ofService, all]) each.close();
  });

  it('ends when the right ends, and delivers nothing after that', async () => {
    const { school, by, schoolId } = await scene();
    const second = await app.build.user({ schoolId: school.id, role: 'PLATFORM_ADMINISTRATOR' });
    const stream = await app.as(second).listen(query, { schoolId });
    await started(stream);
    const grant = await app.db.prisma.roleGrant.findFirstOrThrow({ where: { userId: second.id } });
    expect(await by.as.endRole({ grantId: app.id('RoleGrant', grant.id) })).toMatchObject({ __typename: 'RoleGrant' });
    await planList(app, by, school.id, pupils(5));
    await stream.until(({ items }) => items.some(({ __typename }) => __typename === 'SignalsEnded'));
    expect(stream.items).toEqual([{ __typename: 'SignalsStarted' }, { __typename: 'SignalsEnded', reason: 'ROLE_ENDED' }]);
    expect((await stream.over).errors).toBeUndefined();
  });

  it('ends when the session ends, although there is no signal', async () => {
    const { administrator, by, schoolId } = await scene();
    const stream = by.as.listen(query, { schoolId });
    await started(stream);
    await app.db.prisma.session.updateMany({ where: { userId: administrator.id }, data: { endedAt: new Date() } });
    await stream.until(({ items }) => items.some(({ reason }) => reason === 'SESSION_ENDED'));
  });
});

describe('PlanProgressReporter', () => {
  it('sends each stage, and within a stage at most two signals a second', () => {
    const sent: Signal[] = [];
    const ctx = { liveEvents: { signals: { send: (signal: Signal) => void sent.push(signal) } } };
    const plan = { schoolId: 'school', planId: 'plan', uploadId: null, clientId: null };
    const progress = new PlanProgressReporter(ctx as never, plan);
    const start = performance.now();
    progress.report('CHECKING');
    let done = 0;
    while (performance.now() - start < 700) progress.report('WRITING', (done += 1), 1_000_000_000);
    progress.report('FINISHED');
    expect(sent.map(({ payload }) => payload.stage)).toEqual(['CHECKING', 'WRITING', 'WRITING', 'FINISHED']);
    expect(sent[1]!.payload).toMatchObject({ done: 1, total: 1_000_000_000 });
  });
});
