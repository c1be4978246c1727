import { rosterFormats, type RosterFormat } from '../domain/plans/plan-import.ts';
import { builder } from './builder.ts';

/** The enums that several types of the schema use. */

export const RoleEnum = builder.enumType('Role', {
  description:
    'A role in a school. Roles decide what a person may see and do in the school. A person may have several roles, but a STUDENT has no other role.',
  values: {
    PLATFORM_ADMINISTRATOR: {
      description:
        'Manages the details, classes, people and invitations of the school (regulation 2.1). The last platform administrator of a school cannot lose the role.',
    },
    SCHOOL_ADMINISTRATION: {
      description: 'Leads the school: the head and the deputies (regulation 2.2). Also called the administration of the school.',
    },
    TEACHER: { description: 'Teaches in the classes of their assignments, as the class teacher (regulation 2.3) or in a subject (2.4).' },
    STUDENT: {
      description: 'A pupil, who is in at most one class at a time (regulation 2.5). A pupil has no other role in the same school.',
    },
  } as const,
});

const formatDescriptions: Readonly<Record<RosterFormat, string>> = {
  LIST: 'The Russian list: one CSV file with a row for each person. Its columns are found by their headings.',
  ONE_ROSTER_1_1: 'OneRoster CSV 1.1, as a ZIP.',
  ONE_ROSTER_1_2: 'OneRoster CSV 1.2, as a ZIP.',
  SDS_1: 'Microsoft School Data Sync, version 1, as a ZIP.',
  SDS_2_1: 'Microsoft School Data Sync, version 2.1, as a ZIP.',
};

export const RosterFormatEnum = builder.enumType('RosterFormat', {
  description: 'The format of a roster file.',
  values: Object.fromEntries(rosterFormats.map((format) => [format, { description: formatDescriptions[format] }])) as Record<
    RosterFormat,
    { description: string }
  >,
});
