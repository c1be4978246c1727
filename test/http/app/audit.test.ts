import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serverAudits } from 'graphql-http';
import { openSfera, type Sfera } from '../../support/sfera.ts';

/** The audit suite of the GraphQL over HTTP specification, run with the token of an administrator. */

let app: Sfera;
let token: string;
beforeAll(async () => {
  app = await openSfera();
  const { administrator } = await app.build.school();
  ({ token } = await app.token(administrator));
});
afterAll(() => app.close());

const audits = serverAudits({
  url: () => app.url,
  // The `Authorization` header also satisfies the CSRF protection, which demands such a header of a GET request.
  fetchFn: (url: string, init?: RequestInit) => fetch(url, { ...init, headers: { ...init?.headers, authorization: `Bearer ${token}` } }),
});

describe('the audits of GraphQL over HTTP', () => {
  it('are all 61 audits of graphql-http', () => expect(audits).toHaveLength(61));

  it.each(audits.map((audit) => [audit.id, audit.name, audit] as const))('%s %s', async (_id, _name, audit) => {
    const result = await audit.fn();
    expect(result, 'reason' in result ? result.reason : '').toMatchObject({ status: 'ok' });
  });
});
