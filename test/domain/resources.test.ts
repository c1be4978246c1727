import type { GraphQLInterfaceType } from 'graphql';
import { expect, it } from 'vitest';
import { isTargetOf, resources, resourceTypes, typeOfPayloadId } from '../../src/domain/resources.ts';
import { catalog } from '../../src/events/catalog.ts';
import { schema } from '../../src/graphql/schema.ts';
import { actions } from '../../src/policy/permissions.ts';
import { allFixtures } from '../support/fixtures.ts';

it('describes every type that has a global id', () => {
  const nodes = schema.getPossibleTypes(schema.getType('Node') as GraphQLInterfaceType).map(({ name }) => name);
  expect([...resourceTypes].sort()).toEqual(nodes.sort());
});

it('gives every type a fixture for the generic tests', async () => {
  expect((await allFixtures()).map(({ type }) => type)).toEqual(resourceTypes);
});

it.each(resourceTypes)('%s has the facts that its own right to read is decided by', (type) => {
  expect(isTargetOf(resources[type].read, type)).toBe(true);
});

it.each(actions)('%s can be asked on some type', (action) => {
  expect(resourceTypes.filter((type) => isTargetOf(action, type))).not.toEqual([]);
});

it('names the type of every id in the payload of an event, once', () => {
  const ids = ['schoolId', ...Object.values(catalog).flatMap(({ payload }): readonly string[] => payload)];
  expect(ids.filter((id) => typeOfPayloadId(id) === undefined)).toEqual([]);
  const named = resourceTypes.flatMap((type) => resources[type].payloadIds);
  expect(new Set(named).size).toBe(named.length);
  expect(named.filter((id) => !ids.includes(id))).toEqual([]);
});
