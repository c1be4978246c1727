import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sliceCount } from '../../../src/executor/time-slices.ts';
import { openSfera, type Sfera } from '../../support/sfera.ts';

describe('a small answer of the server', () => {
  let app: Sfera;
  beforeAll(async () => void (app = await openSfera()));
  afterAll(() => app.close());

  it('is written at once', async () => {
    const { school, administrator } = await app.build.school();
    for (let n = 0; n < 5; n += 1) await app.build.student({ classId: (await app.build.class({ schoolId: school.id })).id });
    const query =
      'query ($id: ID!) { node(id: $id) { ... on School { name classes(first: 100) { edges { node { name enrolments(first: 100) { edges { node { student { fullName } class { name } } } } } } } } } }';
    const before = sliceCount();
    const { data, errors } = await app.as(administrator).send(query, { id: app.id('School', school.id) });
    expect(errors).toBeUndefined();
    expect(JSON.stringify(data)).toContain('fullName');
    expect(sliceCount()).toBe(before);
  });
});
