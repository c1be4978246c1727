import type { OrderBy } from '../domain/list-order.ts';
import { builder, type BuilderTypes } from './builder.ts';

/** The input by which a client chooses the order of a list. */

const OrderDirection = builder.enumType('OrderDirection', {
  description: 'The direction of an order.',
  values: { ASC: { description: 'From the first to the last.' }, DESC: { description: 'From the last to the first.' } } as const,
});

/**
 * Adds the input type `name`, and the enum of its fields.
 * @param items what the list holds, for the descriptions.
 * @param fields what the list can be ordered by, each with the description of that order.
 */
export function orderInput<const Fields extends Readonly<Record<string, string>>>(name: string, items: string, fields: Fields) {
  const FieldEnum = builder.enumType(`${name}Field`, {
    description: `What to order ${items} by.`,
    values: Object.fromEntries(Object.entries<string>(fields).map(([field, description]) => [field, { value: field, description }])),
  });
  const input = builder.inputType(name, {
    description: `An order of ${items}. Equal ones are ordered by their IDs. A cursor of one order is INVALID in another.`,
    fields: (t) => ({
      field: t.field({ type: FieldEnum, required: true, description: 'What to order by.' }),
      direction: t.field({ type: OrderDirection, description: 'The direction. Default: ASC.' }),
    }),
  });
  // Pothos infers the fields of the enum as any string.
  return input as unknown as PothosSchemaTypes.InputObjectRef<BuilderTypes, OrderBy<keyof Fields & string>>;
}
