import fc from 'fast-check';
import {
  buildSchema,
  execute as executeByGraphql,
  GraphQLError,
  getIntrospectionQuery,
  isAbstractType,
  isInterfaceType,
  isLeafType,
  isObjectType,
  getNamedType,
  parse,
  validate,
  type ExecutionResult,
  type GraphQLFieldResolver,
  type GraphQLNamedType,
  type GraphQLObjectType,
} from 'graphql';
import { describe, expect, it } from 'vitest';
import { createPlanCache, dropPlans } from '../../src/executor/compile-query.ts';
import { execute, isExecutionState, prepare } from '../../src/executor/executor.ts';

/** A compiled query returns the same bytes as graphql-js, including errors and their paths. */

const schema = buildSchema(`
  type Query { thing(id: ID, n: Int = 1): Thing sure: Thing! things(n: Int!, of: Kind = ONE): [Thing] all: [Thing!]! sums: [[Int]!] node: Node nodes: [Node!] text(x: String): String either: Either }
  interface Node { id: ID! name: String }
  union Either = Thing | Other
  enum Kind { ONE TWO }
  type Thing implements Node { id: ID! name: String sure: String! kind: Kind thing: Thing must: Thing! others: [Other!] node: Node either: Either number(x: Float, list: [Int!], in: In): Int }
  type Other implements Node { id: ID! name: String thing: Thing flag: Boolean! real: Float }
  input In { a: Int! = 3 b: [String] }
`);

/**
 * Returns a number below 100 that decides what the resolver at this path does. The number is the same when our executor
 * runs the query and when graphql-js does.
 */
function behaviour(seed: number, path: string): number {
  let hash = seed;
  for (const char of path) hash = (hash * 31 + char.charCodeAt(0)) % 1_000_003;
  return hash % 100;
}

/**
 * Gives every field of the schema a resolver whose value depends on `seed`.
 * @param waits whether resolvers may return promises.
 * @param fails whether resolvers may fail.
 */
function resolvers(seed: number, waits: boolean, fails: boolean): void {
  for (const type of Object.values(schema.getTypeMap())) {
    if (isAbstractType(type)) {
      type.resolveType = (value) => {
        const { as, late } = value as { as: string; late: boolean };
        return late && waits ? Promise.resolve(as) : as;
      };
    }
    if (!isObjectType(type) || type.name.startsWith('__')) continue;
    for (const field of Object.values(type.getFields())) {
      const resolve: GraphQLFieldResolver<{ at: string } | undefined, unknown> = (source, args, _context, info) => {
        const at = `${source?.at ?? ''}/${info.path.key}:${info.parentType.name}.${info.fieldName}${JSON.stringify(args)}`;
        const chance = behaviour(seed, at);
        const value = () => {
          if (fails && chance < 3) throw new Error(`no ${info.fieldName}`);
          if (fails && chance < 5) throw new GraphQLError(`code ${info.fieldName}`, { extensions: { code: 'SOME' } });
          if (fails && chance < 7) return new Error('returned');
          if (fails && chance < 9) return null;
          return made(field.type.toString(), at, seed, waits, fails);
        };
        return waits && chance % 2 === 0 ? new Promise((resolve) => setImmediate(resolve)).then(value) : value();
      };
      field.resolve = resolve as never;
    }
  }
}

function made(type: string, at: string, seed: number, waits: boolean, fails: boolean): unknown {
  if (type.startsWith('[')) {
    const inner = type.replace(/^\[(.*)\]!?$/, '$1');
    return [0, 1].map((n) => {
      const item = made(inner, `${at}[${n}]`, seed, waits, fails);
      // If items may fail, all items are promises. Otherwise the errors could differ: after an item that fails
      // synchronously, graphql-js does not wait for the other items.
      return waits && (fails || behaviour(seed, `${at}[${n}]`) < 30) ? Promise.resolve(item) : item;
    });
  }
  switch (type.replace('!', '')) {
    case 'Int':
      return at.length;
    case 'Float':
      return at.length / 3;
    case 'Boolean':
      return at.length % 2 === 0;
    case 'Kind':
      return at.length % 2 === 0 ? 'ONE' : 'TWO';
    case 'ID':
    case 'String':
      return `${type} ${at.length}`;
    default:
      return {
        at,
        as: type.startsWith('Thing') || (!type.startsWith('Other') && behaviour(seed, at) % 2 === 0) ? 'Thing' : 'Other',
        late: at.length % 3 === 0,
      };
  }
}

const argumentsOf: Record<string, string[]> = {
  thing: ['', '(id: "1")', '(id: $id, n: $n)'],
  things: ['(n: 2)', '(n: $must, of: TWO)'],
  text: ['', '(x: $id)', '(x: null)'],
  number: ['', '(x: 1.5, list: [1, 2])', '(in: { b: ["x"] })', '(list: 3)'],
};

/** Builds a selection on a type from a stream of random numbers. */
function selection(type: GraphQLNamedType, next: () => number, depth: number): string {
  const parts: string[] = [];
  const fields = isObjectType(type) || isInterfaceType(type) ? Object.values(type.getFields()) : [];
  const directive = () => ['', '', '', ' @include(if: $yes)', ' @skip(if: $yes)', ' @include(if: true) @skip(if: $no)'][next() % 6]!;
  for (let n = next() % 4; n >= 0; n -= 1) {
    const choice = next() % 10;
    if (choice === 0 || fields.length === 0) parts.push(`${['', 'kind_of: '][next() % 2]!}__typename`);
    else if (choice === 1 && isAbstractType(type)) parts.push('... on Other { id flag }');
    else if (choice === 2) parts.push(isObjectType(type) ? `...${type.name}Part` : '...ThingPart');
    else if (choice === 3 && depth > 0) parts.push(`... on ${type.name}${directive()} ${selection(type, next, depth - 1)}`);
    else {
      const field = fields[next() % fields.length]!;
      const inner = getNamedType(field.type);
      const of = argumentsOf[type.name === 'Query' || field.name === 'number' ? field.name : ''] ?? [''];
      const args = of[next() % of.length]!;
      const alias = ['', '', `a${next() % 3}: `][next() % 3]!;
      if (isLeafType(inner)) parts.push(`${alias}${field.name}${args}${directive()}`);
      else if (depth > 0) parts.push(`${alias}${field.name}${args}${directive()} ${selection(inner, next, depth - 1)}`);
    }
  }
  if (isAbstractType(type)) parts.push(`... on Thing ${depth > 0 ? selection(schema.getType('Thing')!, next, depth - 1) : '{ id }'}`);
  return `{ ${parts.length === 0 ? '__typename' : parts.join(' ')} }`;
}

const documents = fc.array(fc.nat(), { minLength: 40, maxLength: 40 }).map((numbers) => {
  let at = 0;
  const text = selection(schema.getQueryType()!, () => numbers[at++ % numbers.length]!, 4);
  return `query Q($id: ID = "7", $n: Int, $must: Int! = 2, $yes: Boolean = true, $no: Boolean!) ${text}
    fragment QueryPart on Query { text } fragment ThingPart on Thing { id sure name } fragment OtherPart on Other { flag id }`;
});

const variables = fc.record(
  { id: fc.option(fc.constantFrom('1', 'x'), { nil: undefined }), n: fc.constantFrom(1, null), yes: fc.boolean(), no: fc.boolean() },
  { requiredKeys: ['no'] },
);

const bytes = (result: ExecutionResult) => JSON.stringify(result);
/** Sorts errors, because concurrent failures are reported in the order in which they happen. */
const sorted = ({ data, errors }: ExecutionResult) => ({
  data: JSON.stringify(data),
  errors: errors?.map((error) => JSON.stringify(error)).sort(),
});

/** Returns the parsed document, or undefined if validation refuses it, for example because of conflicting aliases. */
const valid = (text: string) => {
  const document = parse(text);
  const errors = validate(schema, document).filter(({ message }) => !/is never used/.test(message));
  return errors.length === 0 ? document : undefined;
};

describe('a planned execution', () => {
  it.each([
    ['that waits for nothing', false, false],
    ['that fails here and there', false, true],
  ])('%s answers the same bytes', async (_name, waits, fails) => {
    await fc.assert(
      fc.asyncProperty(documents, variables, fc.nat({ max: 1000 }), async (text, variableValues, seed) => {
        const document = valid(text);
        fc.pre(document !== undefined);
        resolvers(seed, waits, fails);
        const args = { schema, document: document, variableValues, contextValue: {} };
        const expected = bytes(await executeByGraphql(args));
        expect(bytes(await execute(args))).toBe(expected);
        // The second run uses the cached plan with different values for @skip and @include.
        const turned = { ...args, variableValues: { ...variableValues, yes: variableValues.yes === false } };
        expect(bytes(await execute(turned))).toBe(bytes(await executeByGraphql(turned)));
      }),
      { numRuns: 400 },
    );
  });

  it('that waits answers the same data', async () => {
    await fc.assert(
      fc.asyncProperty(documents, variables, fc.nat({ max: 1000 }), async (text, variableValues, seed) => {
        const document = valid(text);
        fc.pre(document !== undefined);
        resolvers(seed, true, false);
        const args = { schema, document: document, variableValues, contextValue: {} };
        expect(bytes(await execute(args))).toBe(bytes(await executeByGraphql(args)));
      }),
      { numRuns: 200 },
    );
  });

  it('that waits and fails reports each error with its path, and puts null where the schema allows it', async () => {
    await fc.assert(
      fc.asyncProperty(documents, variables, fc.nat({ max: 1000 }), async (text, variableValues, seed) => {
        const document = valid(text);
        fc.pre(document !== undefined);
        resolvers(seed, true, true);
        const args = { schema, document: document, variableValues, contextValue: {} };
        const ours = sorted(await execute(args));
        const theirs = sorted(await executeByGraphql(args));
        expect(ours.data).toBe(theirs.data);
        // After null has replaced a part of the result, graphql-js may respond before a later error in that part. So
        // such an error may be missing.
        if (ours.errors?.length === theirs.errors?.length && ours.errors?.length === 1)
          expect(ours.errors[0]!.replace(/"path".*/, '')).toContain('"message"');
        expect(ours.errors === undefined).toBe(theirs.errors === undefined);
      }),
      { numRuns: 200 },
    );
  });

  it.each([
    ['variables of a wrong type', 'query ($n: Int!) { text }', { n: 'x' }],
    ['a variable that is missing', 'query ($n: Int!) { text }', {}],
    ['an operation that is not there', 'query A { text } query B { text }', {}],
    ['introspection', '{ __schema { queryType { name } } __type(name: "Thing") { name } }', {}],
    ['an alias that objects treat apart', '{ __proto__: text constructor: text }', {}],
    ['null for an argument that must not be', 'query ($n: Int) { things(n: $n) { id } }', { n: null }],
  ])('of %s answers the same bytes', async (_name, text, variableValues) => {
    resolvers(1, false, false);
    const args = { schema, document: parse(text), variableValues, contextValue: {} };
    expect(bytes(await execute(args))).toBe(bytes(await executeByGraphql(args)));
  });

  it.each([
    ['introspection', getIntrospectionQuery()],
    ['an alias that objects treat apart', '{ __proto__: text thing { __proto__: __typename constructor: id } }'],
  ])('has a plan for %s, and answers the same bytes by it', async (_name, text) => {
    resolvers(1, false, false);
    const args = { schema, document: parse(text), contextValue: {} };
    const prepared = prepare(args);
    expect(prepared.runsUnsliced).toBe(false);
    expect(isExecutionState(await prepared.execute(undefined, {}))).toBe(true);
    expect(bytes(await execute(args))).toBe(bytes(await executeByGraphql(args)));
  });

  it('reports the number of planned fields, and which queries run unsliced', () => {
    const wide = (depth: number): string => (depth === 0 ? 'id' : `id a: thing { ${wide(depth - 1)} } b: thing { ${wide(depth - 1)} }`);
    const document = parse(`{ thing { ${wide(3)} } }`);
    expect(prepare({ schema, document })).toMatchObject({ plannedFields: 30, runsUnsliced: false });
    expect(prepare({ schema, document })).toMatchObject({ plannedFields: 0, runsUnsliced: false });
    expect(prepare({ schema, document: parse(`{ thing { ${wide(12)} } }`) })).toMatchObject({ plannedFields: 5000, runsUnsliced: true });
  });

  it('keeps the plans of different caches separate', () => {
    const [ours, theirs] = [createPlanCache(100_000), createPlanCache(100_000)];
    const document = parse('{ thing { id } }');
    prepare({ schema, document }, { planCache: ours });
    for (let n = 0; n < 100; n += 1) prepare({ schema, document: parse(`query Q${n} { thing { id } }`) }, { planCache: theirs });
    expect(theirs.calculatedSize).toBeLessThanOrEqual(100_000);
    expect(prepare({ schema, document }).plannedFields).toBe(0);
    dropPlans(document);
    expect(ours.size).toBe(0);
  });

  it('of a value with an unknown type is an error that does not quote it', async () => {
    resolvers(1, false, false);
    schema.getQueryType()!.getFields().node!.resolve = () => ({ as: 'Nobody', secret: 'Достоевский' });
    const { data, errors } = await execute({ schema, document: parse('{ node { id } }'), contextValue: {} });
    expect(data).toEqual({ node: null });
    expect(errors).toMatchObject([{ path: ['node'], locations: [{ line: 1, column: 3 }] }]);
    expect(errors![0]!.originalError).toBeInstanceOf(Error);
    expect(errors![0]!.message).not.toContain('Достоевский');
  });

  it('passes the same info to a resolver that declares it', async () => {
    const seen: unknown[] = [];
    const thing = schema.getQueryType()!.getFields().thing!;
    resolvers(1, false, false);
    const before = thing.resolve!;
    thing.resolve = (source, args, context, info) => {
      const { path, fieldName, fieldNodes, variableValues, operation, rootValue, returnType, parentType, fragments } = info;
      seen.push({
        key: path.key,
        fieldName,
        fieldNodes,
        variableValues,
        operation,
        rootValue,
        returnType: String(returnType),
        parentType: String(parentType),
        fragments: Object.keys(fragments),
      });
      return before(source, args, context, info);
    };
    const args = {
      schema,
      document: parse('query ($id: ID = "5") { a: thing(id: $id) { ...P } } fragment P on Thing { id }'),
      rootValue: { at: 'root' },
      contextValue: {},
    };
    await execute(args);
    await executeByGraphql(args);
    expect(seen).toHaveLength(2);
    expect(seen[0]).toEqual(seen[1]);
  });

  it('reads a field without a resolver from the row, and calls what is a function there', async () => {
    const type = schema.getType('Other') as GraphQLObjectType;
    resolvers(1, false, false);
    for (const field of Object.values(type.getFields())) delete field.resolve;
    schema.getQueryType()!.getFields().node!.resolve = () => ({ as: 'Other', id: () => 'called', name: undefined, flag: true, real: NaN });
    const args = { schema, document: parse('{ node { ... on Other { id name flag real } } }'), contextValue: {} };
    expect(bytes(await execute(args))).toBe(bytes(await executeByGraphql(args)));
  });
});
