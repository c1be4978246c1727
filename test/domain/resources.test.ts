import type { GraphQLInterfaceType } from 'graphql';
import { expect, it } from 'vitest';
import { Prisma } from '../../src/db/generated/client.ts';
import { isResourceType, isTargetOf, resources, resourceTypes, typeOfPayloadId } from '../../src/domain/resources.ts';
import { catalog } from '../../src/events/catalog.ts';
import { schema } from '../../src/graphql/schema.ts';
import { actions } from '../../src/policy/permissions.ts';
import { allFixtures } from '../support/fixtures.ts';

it('describes every type that has a global id', () => {
  const nodes = schema.getPossibleTypes(schema.getType('Node') as GraphQLInterfaceType).map(({ name }) => name);
  const missing = resourceTypes.filter((type) => !nodes.includes(type));
  expect(missing, 'no object type: call `node` in src/graphql/<noun>.ts, and import that file in src/graphql/schema.ts').toEqual([]);
  expect(nodes.filter((name) => !isResourceType(name))).toEqual([]);
});

it('gives every type a fixture for the generic tests', async () => {
  expect((await allFixtures()).map(({ type }) => type)).toEqual(resourceTypes);
});

it.each(resourceTypes)('%s has the facts that its own right to read is decided by', (type) => {
  expect(isTargetOf(resources[type].read, type)).toBe(true);
});

it.each(resourceTypes)('%s has the columns of its parents', (type) => {
  const columns = Object.keys((Prisma as unknown as Record<string, object>)[`${type}ScalarFieldEnum`]!);
  const unknown = Object.entries(resources[type].parents).filter(([, { column }]) => !columns.includes(column));
  expect(unknown, 'no such column: give `column` of the parent in src/domain/resources.ts').toEqual([]);
});

it.each(actions)('%s can be asked on some type', (action) => {
  expect(resourceTypes.filter((type) => isTargetOf(action, type))).not.toEqual([]);
});

it('names the type of every id in the payload of an event, once', () => {
  const ids = ['schoolId', ...Object.values(catalog).flatMap(({ payload }): readonly string[] => payload)];
  const unknown = ids.filter((id) => typeOfPayloadId(id) === undefined);
  expect(unknown, 'no type: name the id in `payloadIds` of its resource in src/domain/resources.ts').toEqual([]);
  const named = resourceTypes.flatMap((type) => resources[type].payloadIds);
  expect(new Set(named).size).toBe(named.length);
  expect(named.filter((id) => !ids.includes(id))).toEqual([]);
});
