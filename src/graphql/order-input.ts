import type { OrderBy } from '../domain/list-order.ts';
import { builder, type BuilderTypes } from './builder.ts';

/** The input types by which a client chooses the order of a list. */

const OrderDirection = builder.enumType('OrderDirection', {
  description: 'The direction in which a list is ordered.',
  values: {
    ASC: { description: 'Ascending: from the earliest time to the latest, or in alphabetical order.' },
    DESC: { description: 'Descending: from the latest time to the earliest, or in reverse alphabetical order.' },
  } as const,
});

/**
 * Adds the input type `name`, and the enum of its fields.
 * @param items what the list holds, for the descriptions.
 * @param fields what the list can be ordered by, each with the description of that order.
 */
export function orderInput<const Fields extends Readonly<Record<string, string>>>(name: string, items: string, fields: Fields) {
  const FieldEnum = builder.enumType(`${name}Field`, {
    description: `The value by which to order ${items}.`,
    values: Object.fromEntries(Object.entries<string>(fields).map(([field, description]) => [field, { value: field, description }])),
  });
  const input = builder.inputType(name, {
    description: `How to order ${items}. Items with equal values are ordered by their IDs. A cursor is valid only with the order of the page that returned it, and INVALID with another order.`,
    fields: (t) => ({
      field: t.field({ type: FieldEnum, required: true, description: 'The value to order by.' }),
      direction: t.field({ type: OrderDirection, description: 'Ascending or descending. Default: ASC.' }),
    }),
  });
  // Cast, since Pothos infers the fields of the enum as any string.
  return input as unknown as PothosSchemaTypes.InputObjectRef<BuilderTypes, OrderBy<keyof Fields & string>>;
}
