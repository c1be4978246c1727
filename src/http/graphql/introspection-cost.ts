import {
  isAbstractType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
  Kind,
  type FragmentDefinitionNode,
  type GraphQLSchema,
  type SelectionSetNode,
} from 'graphql';
import { schema } from '../../graphql/schema.ts';

/**
 * Returns the cost of a selection under `__schema` or `__type`: the number of list items in it, if each list has the
 * average length of its field. Single objects cost nothing, since `ofType` is null after a few steps.
 */
export function introspectionCost(set: SelectionSetNode, fragments: ReadonlyMap<string, FragmentDefinitionNode>): number {
  const fragmentCosts = new Map<string, number>();
  const costOfFragment = (name: string): number => {
    const cost = fragmentCosts.get(name) ?? costOfSet(fragments.get(name)!.selectionSet);
    fragmentCosts.set(name, cost);
    return cost;
  };
  const costOfSet = ({ selections }: SelectionSetNode): number => {
    let sum = 0;
    for (const selection of selections) {
      if (selection.kind === Kind.FRAGMENT_SPREAD) sum += costOfFragment(selection.name.value);
      else if (selection.selectionSet) {
        const length = selection.kind === Kind.FIELD ? listLengths.get(selection.name.value) : undefined;
        const inner = costOfSet(selection.selectionSet);
        sum += length === undefined ? inner : length * (1 + inner);
      }
    }
    return sum;
  };
  return costOfSet(set);
}

const listLengths = measureLists(schema);

/**
 * Returns the length of each list field of introspection; for fields of types, the average of the lists that are not
 * empty.
 */
function measureLists(measured: GraphQLSchema): ReadonlyMap<string, number> {
  const types = Object.values(measured.getTypeMap());
  const composites = types.filter((type) => isObjectType(type) || isInterfaceType(type));
  const fields = composites.flatMap((type) => Object.values(type.getFields()));
  return new Map([
    ['types', types.length],
    ['directives', measured.getDirectives().length],
    ['fields', average(composites.map((type) => Object.keys(type.getFields()).length))],
    ['args', average(fields.map(({ args }) => args.length))],
    ['inputFields', average(types.filter(isInputObjectType).map((type) => Object.keys(type.getFields()).length))],
    ['enumValues', average(types.filter(isEnumType).map((type) => type.getValues().length))],
    ['possibleTypes', average(types.filter(isAbstractType).map((type) => measured.getPossibleTypes(type).length))],
    ['interfaces', average(composites.map((type) => type.getInterfaces().length))],
  ]);
}

/** Returns the average of the lengths that are not zero, rounded up. */
function average(lengths: readonly number[]): number {
  const positive = lengths.filter((length) => length > 0);
  return Math.ceil(positive.reduce((sum, length) => sum + length, 0) / Math.max(1, positive.length));
}
