import {
  isAbstractType, isEnumType, isInputObjectType, isInterfaceType, isObjectType, Kind, type FragmentDefinitionNode, type GraphQLSchema, type SelectionSetNode,
} from 'graphql';
import { schema } from '../../graphql/schema.ts';

/**
 * Returns the cost of a selection under `__schema` or `__type`: the number of list items in it, where each list has the
 * average length of its kind. Single objects cost nothing: `ofType` is null after a few steps.
 */
export function introspectionCost(set: SelectionSetNode, fragments: ReadonlyMap<string, FragmentDefinitionNode>): number {
  const known = new Map<string, number>();
  const ofFragment = (name: string): number => {
    const cost = known.get(name) ?? ofSet(fragments.get(name)!.selectionSet);
    known.set(name, cost);
    return cost;
  };
  const ofSet = ({ selections }: SelectionSetNode): number => {
    let sum = 0;
    for (const selection of selections) {
      if (selection.kind === Kind.FRAGMENT_SPREAD) sum += ofFragment(selection.name.value);
      else if (selection.selectionSet) {
        const length = selection.kind === Kind.FIELD ? listLengths.get(selection.name.value) : undefined;
        const inner = ofSet(selection.selectionSet);
        sum += length === undefined ? inner : length * (1 + inner);
      }
    }
    return sum;
  };
  return ofSet(set);
}

const listLengths = measureLists(schema);

/** Measures the lists of introspection by their fields. A list of a type is as long as it is on average where it is not empty. */
function measureLists(of: GraphQLSchema): ReadonlyMap<string, number> {
  const types = Object.values(of.getTypeMap());
  const composites = types.filter((type) => isObjectType(type) || isInterfaceType(type));
  const fields = composites.flatMap((type) => Object.values(type.getFields()));
  return new Map([
    ['types', types.length],
    ['directives', of.getDirectives().length],
    ['fields', average(composites.map((type) => Object.keys(type.getFields()).length))],
    ['args', average(fields.map(({ args }) => args.length))],
    ['inputFields', average(types.filter(isInputObjectType).map((type) => Object.keys(type.getFields()).length))],
    ['enumValues', average(types.filter(isEnumType).map((type) => type.getValues().length))],
    ['possibleTypes', average(types.filter(isAbstractType).map((type) => of.getPossibleTypes(type).length))],
    ['interfaces', average(composites.map((type) => type.getInterfaces().length))],
  ]);
}

/** Returns the average of the lengths that are not zero, rounded up. */
function average(lengths: readonly number[]): number {
  const positive = lengths.filter((length) => length > 0);
  return Math.ceil(positive.reduce((sum, length) => sum + length, 0) / Math.max(1, positive.length));
}
