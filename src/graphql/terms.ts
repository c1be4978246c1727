import { currentTermOf, setTerms, termsOf, type TermDays } from '../domain/terms.ts';
import { builder, refs } from './builder.ts';
import { mutation } from './mutation.ts';
import { node } from './node.ts';
import { id } from './typed-id.ts';

const TermKind = builder.enumType('TermKind', {
  description: 'How a school year is divided into terms.',
  values: {
    QUARTER: { description: 'The year has four quarters (четверти).' },
    TRIMESTER: { description: 'The year has three trimesters (триместры).' },
  } as const,
});

node('Term', {
  description:
    'A quarter or a trimester of a school year. The days between terms are holidays. Everyone who may see the school may see its terms.',
  parents: {
    school: 'The school of the term; null if you may not see the school.',
    year: 'The school year of the term; null if you may not see the school.',
  },
  fields: (t) => ({
    kind: t.field({ type: TermKind, description: 'Whether the term is a quarter or a trimester.', resolve: ({ kind }) => kind }),
    number: t.exposeInt('number', { description: 'The place in the year: 1 to 4 for a quarter, 1 to 3 for a trimester.' }),
    startsOn: t.field({
      type: 'Date',
      description: 'The first day of the term.',
      resolve: ({ startsOn }) => startsOn.toISOString().slice(0, 10),
    }),
    endsOn: t.field({
      type: 'Date',
      description: 'The last day, which is part of the term.',
      resolve: ({ endsOn }) => endsOn.toISOString().slice(0, 10),
    }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When `setTerms` last set the terms of the year.' }),
  }),
});

builder.objectField(refs.SchoolYear, 'terms', (t) =>
  t.field({
    type: [refs.Term],
    description: 'The terms of the year in their order: four quarters or three trimesters. Empty until `setTerms` has set them.',
    resolve: (year, _args, ctx) => termsOf(ctx, year),
  }),
);

builder.objectField(refs.SchoolYear, 'currentTerm', (t) =>
  t.field({
    type: refs.Term,
    nullable: true,
    description:
      "The term that contains today in the school's time zone; null in the holidays, for a year that is not current, and until `setTerms` has set the terms.",
    resolve: (year, _args, ctx) => currentTermOf(ctx, year),
  }),
);

const TermInput = builder
  .inputRef<TermDays>('TermInput')
  .implement({
    description: "The days of a term, in the school's time zone.",
    fields: (t) => ({
      startsOn: t.field({
        type: 'Date',
        required: true,
        description:
          'The first day of the term. INVALID if it is before 1 September, when the school year starts, or not after the last day of the previous term.',
      }),
      endsOn: t.field({
        type: 'Date',
        required: true,
        description:
          'The last day, which is part of the term. INVALID if it is before `startsOn`, or after 31 August, when the school year ends.',
      }),
    }),
  });

mutation('setTerms', {
  description:
    'Sets the terms of a school year, four quarters or three trimesters, in place of its present terms. The terms keep their IDs if the kind stays the same. Setting the present terms again changes nothing.',
  returns: 'SchoolYear',
  inputDescription: 'The school year, and all of its terms.',
  input: (t) => ({
    schoolYearId: id(t, 'SchoolYear', { required: true, description: 'The school year whose terms are set.' }),
    kind: t.field({ type: TermKind, required: true, description: 'Whether the terms are quarters or trimesters.' }),
    terms: t.field({
      type: [TermInput],
      required: true,
      description:
        'All terms in their order, without overlaps: exactly four quarters or three trimesters. INVALID for another number and for wrong days: `path` names the term and the day at fault.',
    }),
  }),
  run: setTerms,
});
