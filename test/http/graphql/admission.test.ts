import { parse } from 'graphql';
import { describe, expect, it } from 'vitest';
import { resultOf } from '../../../src/executor/executor.ts';
import { schema } from '../../../src/graphql/schema.ts';
import { KnownDocument } from '../../../src/http/graphql/documents.ts';
import type { OperationArgs } from '../../../src/http/graphql/admission.ts';
import { Pipeline, type PipelineDeps } from '../../../src/http/graphql/pipeline.ts';

const known = (query: string): KnownDocument => new KnownDocument(query, 10, parse(query));

/** Executes an operation. Returns the estimated cost and the planning cost that the account was charged for it. */
async function charged(document: KnownDocument, kind: 'anonymous' | 'user' = 'user') {
  const charges = { estimate: 0, planned: 0 };
  const account = {
    admit: (estimate: number) => ((charges.estimate = estimate), () => undefined),
    chargeCost: (cost: number) => (charges.planned += cost),
  };
  const metrics = { operations: { inc: () => undefined }, duration: { observe: () => undefined } };
  const pipeline = new Pipeline({ metrics, mask: (error: unknown) => error } as unknown as PipelineDeps);
  const contextValue = { account, document, actor: { kind }, config: { executor: 'plans' }, language: 'en', requestId: null, loaders: {} };
  resultOf(await pipeline.execute({ schema, document: document.document, contextValue } as unknown as OperationArgs));
  return charges;
}

describe('an operation is charged', () => {
  it('for each change, in fragments too', async () => {
    const one = '(input: { chatId: "x" }) { __typename }';
    const three = (await charged(known(`mutation { archiveChat${one} a: archiveChat${one} b: archiveChat${one} }`))).estimate;
    expect(three).toBeGreaterThanOrEqual(150);
    const nested = known(
      `mutation { ...F } fragment F on Mutation { archiveChat${one} ...G ... { b: archiveChat${one} } } fragment G on Mutation { a: archiveChat${one} }`,
    );
    expect((await charged(nested)).estimate).toBe(three);
  });

  it('for planning the fields of a document, the first time only', async () => {
    const document = known('{ a: __typename b: __typename }');
    expect((await charged(document)).planned).toBe(2);
    expect((await charged(document)).planned).toBe(0);
  });

  it('for planning again after many plans of anonymous requests, and for nothing if a signed-in person has a plan', async () => {
    const [own, first] = [known('{ __typename }'), known('{ a: __typename }')];
    await charged(own);
    await charged(first, 'anonymous');
    const wide = (n: number) => known(`query Q${n} { ${Array.from({ length: 200 }, (_, k) => `a${k}: __typename`).join(' ')} }`);
    for (let n = 0; n < 100; n += 1) await charged(wide(n), 'anonymous');
    expect((await charged(first, 'anonymous')).planned).toBe(1);
    expect((await charged(own)).planned).toBe(0);
  });
});
