import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { schema } from '../../src/graphql/schema.ts';
import { collect } from '../support/fixtures.ts';
import type { MutationCase, RepeatCase } from '../support/noun-fixture.ts';
import { buildRepeatSchool } from '../support/repeat-school.ts';
import { readSchoolRows } from '../support/school-rows.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';

/**
 * Mutations that are repeated, or sent in a state in which they have no effect. A mutation succeeds if the requested
 * state already holds; otherwise it is refused with the reason. In both cases it writes nothing.
 */

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
afterAll(() => app.close());

const mutations = await collect<MutationCase>((fixture) => fixture.mutations);
const tested = Object.entries(mutations).flatMap(([name, { repeats }]): [string, readonly RepeatCase[]][] =>
  'testedIn' in repeats ? [] : [[name, repeats]],
);

describe.each(tested)('%s', (_name, cases) => {
  it.each(cases)('changes no row where $state', async ({ before, act, answer }) => {
    const school = await buildRepeatSchool(app);
    // Signs in first, because signing in writes rows too.
    await school.by.viewer({});
    const first = await before?.(school);
    const rows = await readSchoolRows(app, school.school.id);
    const result = await act(school);
    expect(result).toMatchObject(answer);
    if (before === act) expect(result).toEqual(first);
    expect(await readSchoolRows(app, school.school.id)).toEqual(rows);
  });
});

describe('the fixtures', () => {
  it('have a case for every mutation of the schema', () => {
    expect(Object.keys(mutations).sort(), 'the property `mutations` of the fixtures in test/fixtures/').toEqual(
      Object.keys(schema.getMutationType()!.getFields()).sort(),
    );
    for (const [name, { repeats }] of Object.entries(mutations)) {
      if ('testedIn' in repeats) expect(existsSync(repeats.testedIn), repeats.testedIn).toBe(true);
      else expect(repeats, name).not.toEqual([]);
    }
  });
});
