import { currentYearOf, isCurrent, nameOfYear, yearsOf } from '../domain/school-years.ts';
import { builder, refs } from './builder.ts';
import type { FieldCost } from './field-cost.ts';
import { node } from './node.ts';
import { change, stream } from './stream.ts';

node('SchoolYear', {
  description: 'A school year of a school, from 1 September to 31 August. Everyone who may see the school may see its years.',
  parents: { school: 'The school of the year; null if you may not see the school.' },
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
    // The estimate is ten years, since a school gets one new year each year.
    extensions: { cost: { maxItems: 10 } satisfies FieldCost },
    description:
      'The years of the school, latest first. The server adds the current and the next year when the school is set up, when a year starts, and whenever `createClass` or `planImport` is called without `schoolYearId`.',
    resolve: (school, _args, ctx) => yearsOf(ctx, school),
  }),
);

builder.objectField(refs.School, 'currentYear', (t) =>
  t.field({
    type: refs.SchoolYear,
    nullable: true,
    description:
      "The school year that contains today in the school's time zone. Changes on 1 September at 00:00. Null if the server has not added the year yet (see `years`). `classes` lists the classes of this year by default.",
    resolve: (school, _args, ctx) => currentYearOf(ctx, school),
  }),
);

const SchoolYearChange = change('SchoolYearChange', {
  description: 'A change of a school year: its start, or new terms.',
  kind: 'What happened to a school year.',
  kinds: {
    STARTED: [
      'schoolYear.started',
      'The year started, and is `School.currentYear` now. Sent once for each year, on 1 September at 00:00 in the time zone of the school. If the server is not running then, it sends the change after its next start.',
    ],
    TERMS_SET: ['terms.set', 'The terms of the year were set.'],
  },
  rows: { schoolYear: 'The school year as it is now; null if you may not see the school.' },
});

stream('schoolYears', {
  ...SchoolYearChange,
  description:
    'The changes of the school years, each as soon as it is committed. Only services and people who work in the school receive changes. A pupil may subscribe, but receives no change. FORBIDDEN for a service without the scope `events`.',
});
