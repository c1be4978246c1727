import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSfera, type Sfera } from '../support/sfera.ts';
import { enrolmentsStream } from '../live/streams.ts';

describe('a server that runs', () => {
  let app: Sfera;
  beforeAll(async () => {
    app = await openSfera();
  });
  afterAll(() => app.close());

  const get = (path: string, headers: Record<string, string> = {}) => fetch(`${app.url.replace('/graphql', '')}${path}`, { headers });
  const metric = async (name: string) => {
    const line = (await (await get('/metrics')).text()).split('\n').find((each) => each.startsWith(`${name} `) || each.startsWith(`${name}{`));
    return Number(line?.split(' ').at(-1));
  };

  it('says that it lives and is ready', async () => {
    expect(await (await get('/health/live')).json()).toEqual({ status: 'live' });
    expect(await (await get('/health/ready')).json()).toEqual({ status: 'ready' });
  });

  it('counts requests, operations, subscribers and connections, and names nobody', async () => {
    const { school, administrator } = await app.build.school();
    const before = [await metric('sfera_operations_total{type="query",outcome="ok"}'), await metric('sfera_http_requests_total{method="POST",status="200"}')];
    await app.as(administrator).send('{ viewer { id } }');
    const after = [await metric('sfera_operations_total{type="query",outcome="ok"}'), await metric('sfera_http_requests_total{method="POST",status="200"}')];
    expect(after.map((count, n) => count - (before[n] || 0))).toEqual([1, 1]);
    const stream = await app.as(administrator).listen(enrolmentsStream, { schoolId: app.id('School', school.id) });
    await stream.until(({ items }) => items.length > 0);
    expect(await metric('sfera_subscribers')).toBe(1);
    expect(await metric('sfera_websockets')).toBe(1);
    expect(await metric('sfera_log_lag_seconds')).toBeGreaterThanOrEqual(0);
    expect(await metric('sfera_db_pool_connections')).toBeGreaterThan(0);
    stream.close();
    await expect.poll(() => metric('sfera_subscribers')).toBe(0);
    const text = await (await get('/metrics')).text();
    for (const id of [school.id, administrator.id, administrator.surname]) expect(text).not.toContain(id);
  });

  it('shows its figures to this machine only, not through a proxy', async () => {
    expect((await get('/metrics', { 'x-forwarded-for': '203.0.113.7' })).status).toBe(404);
  });
});

it('shows its figures to whoever has the token, where there is one', async () => {
  const app = await openSfera({ METRICS_TOKEN: 'a token for metrics' });
  const url = app.url.replace('/graphql', '/metrics');
  expect((await fetch(url)).status).toBe(404);
  expect((await fetch(url, { headers: { authorization: 'Bearer a token for metrics' } })).status).toBe(200);
  await app.close();
});
