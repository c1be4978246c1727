import type { ExternalId } from '../domain/external-ids.ts';
import { builder } from './builder.ts';

/** The types of external IDs. Several files of src/graphql use them. */

export const ExternalIdRef = builder
  .objectRef<ExternalId>('ExternalId')
  .implement({
    description: 'The ID of a school, a person, a class or a subject in another system.',
    fields: (t) => ({
      system: t.exposeString('system', { description: 'The name of the other system, such as «Моя школа»; 1 to 50 characters.' }),
      value: t.exposeString('value', { description: 'The ID in that system, 1 to 100 characters.' }),
    }),
  });

export const ExternalIdInputType = builder.inputType('ExternalIdInput', {
  description: 'The ID of a school or a person in another system.',
  fields: (t) => ({
    system: t.string({
      required: true,
      description: 'The name of the other system, 1 to 50 characters. INVALID if the list names a system twice.',
    }),
    value: t.string({
      required: true,
      description:
        'The ID in that system, 1 to 100 characters. CONFLICT if another school has this ID or, for the ID of a person, if another person of the school has it.',
    }),
  }),
});
