import {
  getNamedType,
  getNullableType,
  isAbstractType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isListType,
  isObjectType,
  Kind,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLNamedType,
  type GraphQLSchema,
  type NamedTypeNode,
  type OperationDefinitionNode,
  type SelectionSetNode,
  type ValueNode,
} from 'graphql';
import type { FieldCost } from '../../graphql/field-cost.ts';
import { schema } from '../../graphql/schema.ts';

/** Estimates the cost of operations, in objects. docs/limits.md explains it to clients. */

type Variables = Readonly<Record<string, unknown>>;

export interface Cost {
  cost: number;
  /** Whether the cost is the same for all values of the variables. */
  isConstant: boolean;
}

/** Number of items that a list or a page holds by default. */
const defaultItems = 20;

/**
 * Returns the number of objects that an operation could return. A page counts as many edges as its argument `first` or
 * `last` says, or 20 without these arguments. A field with the argument `ids` counts one object for each id. If a field has
 * `maxItems` in its `FieldCost`, its list counts at most that number. A variable without a value counts with its default value.
 */
export function computeCost(document: DocumentNode, variables: Variables, operationName: string | null | undefined): Cost {
  const operation = document.definitions.find(
    (node) => node.kind === Kind.OPERATION_DEFINITION && (!operationName || node.name?.value === operationName),
  );
  if (operation?.kind !== Kind.OPERATION_DEFINITION) return { cost: 0, isConstant: false };
  const estimate = new CostEstimate(document, operation, variables);
  const cost = estimate.costOfSet(operation.selectionSet, schema.getRootType(operation.operation), 1);
  return { cost, isConstant: estimate.isConstant };
}

class CostEstimate {
  /** Whether no variable has been read so far. */
  isConstant = true;
  readonly #variables: Variables;
  readonly #defaults: ReadonlyMap<string, ValueNode | undefined>;
  readonly #fragments = new Map<string, FragmentDefinitionNode>();
  /** Costs of the fragments, by the name of the fragment and the size of the page in which it is used. */
  readonly #fragmentCosts = new Map<string, number>();

  constructor({ definitions }: DocumentNode, { variableDefinitions }: OperationDefinitionNode, variables: Variables) {
    this.#variables = variables;
    for (const node of definitions) if (node.kind === Kind.FRAGMENT_DEFINITION) this.#fragments.set(node.name.value, node);
    this.#defaults = new Map(variableDefinitions?.map(({ variable, defaultValue }) => [variable.name.value, defaultValue]));
  }

  /**
   * Returns the cost of a selection set.
   * @param type the type that the set selects from; undefined if an invalid document names an unknown type.
   * @param page the size of the page whose fields the set selects.
   */
  costOfSet({ selections }: SelectionSetNode, type: GraphQLNamedType | null | undefined, page: number): number {
    let sum = 0;
    for (const selection of selections) {
      if (selection.kind === Kind.FIELD) sum += this.#costOfField(selection, type, page);
      else if (selection.kind === Kind.INLINE_FRAGMENT)
        sum += this.costOfSet(selection.selectionSet, typeOf(selection.typeCondition, type), page);
      else sum += this.#costOfFragment(selection.name.value, page);
    }
    return sum;
  }

  #costOfField(
    { name: { value: name }, arguments: args, selectionSet }: FieldNode,
    parent: GraphQLNamedType | null | undefined,
    page: number,
  ): number {
    const field = isObjectType(parent) || isInterfaceType(parent) ? parent.getFields()[name] : undefined;
    const fieldCost = field?.extensions.cost as FieldCost | undefined;
    if (!selectionSet) return fieldCost?.objects ?? 0;
    if (name === '__schema' || name === '__type') return 1 + introspectionCost(selectionSet, this.#fragments);
    const argument = (argumentName: string) => this.#valueOf(args?.find((arg) => arg.name.value === argumentName)?.value);
    const isBounded = fieldCost?.maxItems !== undefined && (fieldCost.unless === undefined || argument(fieldCost.unless) !== true);
    const maxItems = isBounded ? fieldCost.maxItems! : Infinity;
    const size = argument('first') ?? argument('last');
    const items = Math.min(maxItems, typeof size === 'number' ? Math.max(1, size) : defaultItems);
    const inner = 1 + this.costOfSet(selectionSet, field && getNamedType(field.type), items);
    if (name === 'edges') return page * inner;
    if (field === undefined || !isListType(getNullableType(field.type))) return inner;
    const ids = argument('ids');
    return (Array.isArray(ids) ? ids.length : items) * inner;
  }

  #costOfFragment(name: string, page: number): number {
    const key = `${name} ${page}`;
    let cost = this.#fragmentCosts.get(key);
    if (cost === undefined) {
      const fragment = this.#fragments.get(name);
      cost = fragment ? this.costOfSet(fragment.selectionSet, typeOf(fragment.typeCondition), page) : 0;
      this.#fragmentCosts.set(key, cost);
    }
    return cost;
  }

  #valueOf(node: ValueNode | undefined): unknown {
    if (node?.kind === Kind.VARIABLE) {
      this.isConstant = false;
      const name = node.name.value;
      const value = Object.hasOwn(this.#variables, name) ? this.#variables[name] : undefined;
      return value === undefined ? this.#valueOf(this.#defaults.get(name)) : value;
    }
    if (node?.kind === Kind.INT) return Number(node.value);
    if (node?.kind === Kind.BOOLEAN) return node.value;
    return node?.kind === Kind.LIST ? node.values : undefined;
  }
}

/** Returns the type of a type condition. Without a condition, returns the type around the fragment. */
const typeOf = (condition: NamedTypeNode | undefined, around?: GraphQLNamedType | null): GraphQLNamedType | null | undefined =>
  condition === undefined ? around : schema.getType(condition.name.value);

/**
 * Returns the cost of a selection under `__schema` or `__type`: the number of list items in it, if each list has the
 * average length of its field. Single objects cost nothing: without lists only `ofType` can nest, and `ofType` is
 * null after a few steps.
 */
function introspectionCost(set: SelectionSetNode, fragments: ReadonlyMap<string, FragmentDefinitionNode>): number {
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
 * Returns the length of each list field of introspection. A field that many types have, such as `fields` or `args`,
 * gets the average length of its lists that are not empty.
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
