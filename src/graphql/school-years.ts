import { currentYearOf, isCurrent, nameOfYear, yearsOf } from '../domain/school-years.ts';
import { builder, refs } from './builder.ts';
import type { FieldCost } from './field-cost.ts';
import { node } from './node.ts';
import { change, stream } from './stream.ts';

node('SchoolYear', {
  description: 'A school year, from 1 September to 31 August.',
  parents: { school: 'The school of the year; null if you may not see it.' },
  fields: (t) => ({
    name: t.string({ description: 'Both calendar years, such as 2026/2027.', resolve: nameOfYear }),
    startsOn: t.field({
      type: 'Date',
      description: 'The first day, 1 September.',
      resolve: (year) => year.startsOn.toISOString().slice(0, 10),
    }),
    endsOn: t.field({ type: 'Date', description: 'The last day, 31 August.', resolve: (year) => year.endsOn.toISOString().slice(0, 10) }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When the year was added, or last changed.' }),
    isCurrent: t.boolean({
      description: "Whether the year contains today in the school's time zone.",
      resolve: (year, _args, ctx) => isCurrent(ctx, year),
    }),
  }),
});

builder.objectField(refs.School, 'years', (t) =>
  t.field({
    type: [refs.SchoolYear],
    // One is added each year.
    extensions: { cost: { maxItems: 10 } satisfies FieldCost },
    description:
      'The years of the school, latest first. The current and the next year are added when the school is set up, when a year starts, and whenever `createClass` is called without `schoolYearId`.',
    resolve: (school, _args, ctx) => yearsOf(ctx, school),
  }),
);

builder.objectField(refs.School, 'currentYear', (t) =>
  t.field({
    type: refs.SchoolYear,
    nullable: true,
    description:
      "The school year that contains today in the school's time zone, from 1 September 00:00 on; null if it has not been added yet (see `years`). `classes` lists its classes by default.",
    resolve: (school, _args, ctx) => currentYearOf(ctx, school),
  }),
);

const SchoolYearChange = change('SchoolYearChange', {
  description: 'A change of a school year.',
  kind: 'What happened to a school year.',
  kinds: {
    STARTED: [
      'schoolYear.started',
      'The year started: it is `School.currentYear` now. Recorded once for each year, at 1 September 00:00 in the time zone of the school, or as soon as the server runs after that.',
    ],
    TERMS_SET: ['terms.set', 'The terms of the year were set.'],
  },
  rows: { schoolYear: 'The school year; null if you may not see it.' },
});

stream('schoolYears', {
  ...SchoolYearChange,
  description:
    'The starts and the terms of the school years, for those who work in the school, as soon as they are committed. Services need the scope `events`.',
});
