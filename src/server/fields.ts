import {
  getArgumentValues, locatedError, type FieldNode, type FragmentDefinitionNode, type GraphQLError, type GraphQLField, type GraphQLObjectType,
  type GraphQLResolveInfo, type GraphQLSchema, type OperationDefinitionNode,
} from 'graphql';

/** Running a planned query: asking the resolvers, and putting what they answer, or null and an error, in its place. */

/** How a value becomes what is answered at `key` of `holder`; throws what is wrong with it. */
export type Complete = (run: Run, field: Field, value: unknown, above: Slot | null, key: string | number, holder: Holder) => unknown;

export type Holder = Record<string | number, unknown>;

export interface Field {
  name: string;
  nodes: readonly FieldNode[];
  parentType: GraphQLObjectType;
  definition: GraphQLField<unknown, unknown>;
  /** Where a run keeps the field's arguments; they are the same for every object of it. */
  at: number;
  /** The answer where it is known without asking: `__typename`. */
  constant: string | undefined;
  nullable: boolean;
  complete: Complete;
}

/** The fields asked of objects of one type at one place of the document. */
export type Plan = readonly Field[];

/** A place in the answer that holds an object or a list. */
export interface Slot {
  above: Slot | null;
  key: string | number;
  holder: Holder;
  nullable: boolean;
  /** Null has taken its place, and why is told. */
  dead: boolean;
}

/** One execution. */
export interface Run {
  compiled: Compiled;
  contextValue: unknown;
  rootValue: unknown;
  variables: Record<string, unknown>;
  schema: GraphQLSchema;
  arguments: unknown[];
  errors: GraphQLError[];
  data: Holder | null;
  pending: number;
  finish: (() => void) | undefined;
}

export interface Compiled {
  operation: OperationDefinitionNode;
  fragments: Record<string, FragmentDefinitionNode>;
  plan: Plan;
}

/** The fields of an object, in the order of the document. */
export function fieldsOf(run: Run, plan: Plan, source: unknown, slot: Slot | null): Holder {
  const holder: Holder = {};
  for (const field of plan) {
    if (field.constant !== undefined) {
      holder[field.name] = field.constant;
      continue;
    }
    let value: unknown;
    try {
      value = resolved(run, field, source, slot);
      holder[field.name] = isPromise(value) ? later(run, field, field.complete, field.nullable, value, slot, field.name, holder) : field.complete(run, field, value, slot, field.name, holder);
    } catch (error) {
      const located = locatedError(error, field.nodes, pathOf(slot, field.name));
      if (!field.nullable) {
        if (slot !== null) slot.dead = true;
        throw located;
      }
      run.errors.push(located);
      holder[field.name] = null;
    }
  }
  return holder;
}

const noArguments = Object.freeze({});

function resolved(run: Run, field: Field, source: unknown, slot: Slot | null): unknown {
  const { definition, at } = field;
  const resolve = definition.resolve;
  const args = definition.args.length === 0 ? noArguments : (run.arguments[at] ??= getArgumentValues(definition, field.nodes[0]!, run.variables));
  // Whoever does not name `info` is not given it.
  if (resolve !== undefined) return resolve(source, args, run.contextValue, (resolve.length > 3 ? infoOf(run, field, slot) : undefined)!);
  const value = typeof source === 'object' && source !== null ? (source as Record<string, unknown>)[definition.name] : undefined;
  return typeof value === 'function' ? (value as (...all: unknown[]) => unknown).call(source, args, run.contextValue, infoOf(run, field, slot)) : value;
}

/** Leaves the place null until the promise is settled. */
export function later(
  run: Run, field: Field, complete: Complete, nullable: boolean, value: PromiseLike<unknown>, above: Slot | null, key: string | number, holder: Holder,
): null {
  run.pending += 1;
  const settle = (step: () => void): void => {
    step();
    run.pending -= 1;
    if (run.pending === 0) run.finish?.();
  };
  value.then(
    (found) =>
      settle(() => {
        try {
          holder[key] = isPromise(found) ? later(run, field, complete, nullable, found, above, key, holder) : complete(run, field, found, above, key, holder);
        } catch (error) {
          fail(run, field, error, nullable, above, key, holder);
        }
      }),
    (error: unknown) => settle(() => fail(run, field, error, nullable, above, key, holder)),
  );
  return null;
}

/** Null takes the place, or the nearest above that may be null; an error of a place that null has taken already is not told. */
function fail(run: Run, field: Field, raw: unknown, nullable: boolean, above: Slot | null, key: string | number, holder: Holder): void {
  const error = locatedError(raw, field.nodes, pathOf(above, key));
  if (nullable) {
    holder[key] = null;
    run.errors.push(error);
    return;
  }
  let slot = above;
  for (; slot !== null && !slot.dead; slot = slot.above) {
    slot.dead = true;
    if (!slot.nullable) continue;
    slot.holder[slot.key] = null;
    run.errors.push(error);
    return;
  }
  if (slot !== null || run.data === null) return;
  run.data = null;
  run.errors.push(error);
}

export function pathOf(above: Slot | null, key: string | number): (string | number)[] {
  const path = [key];
  for (let slot = above; slot !== null; slot = slot.above) path.unshift(slot.key);
  return path;
}

export function infoOf(run: Run, { name, nodes, parentType, definition }: Field, slot: Slot | null): GraphQLResolveInfo {
  const { compiled: { fragments, operation }, schema, rootValue, variables } = run;
  let path: GraphQLResolveInfo['path'] | undefined;
  for (const key of pathOf(slot, name)) path = { prev: path, key, typename: undefined };
  return {
    fieldName: definition.name, fieldNodes: nodes, returnType: definition.type, parentType, path: path!,
    schema, fragments, rootValue, operation, variableValues: variables,
  };
}

export const isPromise = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';

export const slotOf = (above: Slot | null, key: string | number, holder: Holder, nullable: boolean): Slot => ({ above, key, holder, nullable, dead: false });
