import { parse } from 'graphql';
import { describe, expect, it } from 'vitest';
import { schema } from '../../../src/graphql/schema.ts';
import { executeAdmitted } from '../../../src/http/graphql/admission.ts';
import { resultOf } from '../../../src/executor/executor.ts';

/** Executes an operation and records its charges to the account. */
async function charged(query: string, kind: 'anonymous' | 'user' = 'user', document = parse(query)) {
  const charges = { estimate: 0, planned: 0 };
  const account = {
    admit: (estimate: number) => ((charges.estimate = estimate), () => undefined),
    chargeCost: (cost: number) => (charges.planned += cost),
  };
  const contextValue = { account, actor: { kind }, config: { executor: 'plans' }, language: 'en', loaders: {} };
  resultOf(await executeAdmitted({ schema, document, contextValue }));
  return charges;
}

describe('an operation is charged', () => {
  it('for each change, in fragments too', async () => {
    const one = '(input: { chatId: "x" }) { __typename }';
    const three = (await charged(`mutation { archiveChat${one} a: archiveChat${one} b: archiveChat${one} }`)).estimate;
    expect(three).toBeGreaterThanOrEqual(150);
    expect(
      (
        await charged(
          `mutation { ...F } fragment F on Mutation { archiveChat${one} ...G ... { b: archiveChat${one} } } fragment G on Mutation { a: archiveChat${one} }`,
        )
      ).estimate,
    ).toBe(three);
  });

  it('once for the fields that are planned for it', async () => {
    const document = parse('{ a: __typename b: __typename }');
    expect((await charged('', 'user', document)).planned).toBe(2);
    expect((await charged('', 'user', document)).planned).toBe(0);
  });

  it('for planning again after many plans of anonymous requests, and for nothing if a signed-in person has a plan', async () => {
    const [own, first] = [parse('{ __typename }'), parse('{ a: __typename }')];
    await charged('', 'user', own);
    await charged('', 'anonymous', first);
    const wide = (n: number) => `query Q${n} { ${Array.from({ length: 200 }, (_, k) => `a${k}: __typename`).join(' ')} }`;
    for (let n = 0; n < 100; n += 1) await charged(wide(n), 'anonymous');
    expect((await charged('', 'anonymous', first)).planned).toBe(1);
    expect((await charged('', 'user', own)).planned).toBe(0);
  });
});
