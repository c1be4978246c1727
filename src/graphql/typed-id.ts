import type { ArgBuilder, ArgumentRef, InputFieldBuilder, InputFieldMap, InputFieldRef } from '@pothos/core';
import { decodeGlobalID } from '@pothos/plugin-relay';
import { isResourceType, type ResourceType } from '../domain/resources.ts';
import { invalid } from '../errors.ts';
import { isUuid } from '../uuid.ts';
import type { BuilderTypes } from './builder.ts';

/** Encodes and parses global IDs, alone and as arguments of a declared type. */

interface IdOptions<Required extends boolean> {
  required?: Required;
  description: string;
}

type IdValue<Required extends boolean> = Required extends true ? string : string | null | undefined;

/**
 * Declares an input field or an argument that takes the global ID of a type. `mutation`, `connection` and `stream` then pass
 * the row's id to the operation. They refuse a text that is not an ID of this type as INVALID.
 */
export function id<Required extends boolean = false>(
  t: InputFieldBuilder<BuilderTypes, 'InputObject'>,
  type: ResourceType,
  options: IdOptions<Required>,
): InputFieldRef<BuilderTypes, IdValue<Required>>;
export function id<Required extends boolean = false>(
  t: ArgBuilder<BuilderTypes>,
  type: ResourceType,
  options: IdOptions<Required>,
): ArgumentRef<BuilderTypes, IdValue<Required>>;
export function id(t: { id(options: object): object }, type: ResourceType, options: IdOptions<boolean>): object {
  return Object.assign(t.id(options), { resourceType: type });
}

/** The names of the fields that `id` declared, each with its type. */
export type TypedIds = readonly (readonly [name: string, type: ResourceType])[];

/** Returns the fields that `id` declared. */
export const typedIdsOf = (fields: InputFieldMap): TypedIds =>
  Object.entries(fields).flatMap(([name, field]) => ('resourceType' in field ? [[name, field.resourceType as ResourceType] as const] : []));

/**
 * Returns the values with the rows' ids in place of the global IDs. An omitted or null id stays as it is.
 * @throws INVALID, with the field's name as its path, for a text that is not a global ID of the field's type.
 */
export function parseIds<Values extends object>(values: Values, ids: TypedIds): Values {
  if (ids.length === 0) return values;
  const parsed = { ...values } as Record<string, unknown>;
  for (const [name, type] of ids) {
    const value = parsed[name];
    if (typeof value === 'string') parsed[name] = idOf(type, value, name);
  }
  return parsed as Values;
}

/**
 * Returns the row's id in a global ID of this type.
 * @throws INVALID at `path` for any other text.
 */
function idOf(type: ResourceType, globalId: string, path: string): string {
  const parsed = parseId(globalId);
  if (parsed === null) throw invalid(path, ['Это не идентификатор этого сервера.', 'This is not an id of this server.']);
  if (parsed.thing !== type) throw invalid(path, [`Здесь нужен идентификатор типа ${type}.`, `An id of type ${type} is needed here.`]);
  return parsed.id;
}

/** Returns the type and the row's id in a global ID; null for any other text. */
export function parseId(globalId: string): { thing: ResourceType; id: string } | null {
  try {
    const { typename, id: rowId } = decodeGlobalID(globalId);
    return isUuid(rowId) && isResourceType(typename) && encode(typename, rowId) === globalId ? { thing: typename, id: rowId } : null;
  } catch {
    return null;
  }
}

/** Encodes a global ID as the relay plugin does. */
const encode = (typename: string, rowId: string): string => btoa(`${typename}:${rowId}`);

export const globalId = (type: ResourceType, rowId: string): string => encode(type, rowId);
