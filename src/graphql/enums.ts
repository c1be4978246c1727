import { builder } from './builder.ts';

/** The enums of several nouns. */

export const RoleEnum = builder.enumType('Role', {
  description: 'A role in a school. It decides what a person may see and do there.',
  values: {
    PLATFORM_ADMINISTRATOR: {
      description:
        'Manages the details, classes, people and invitations of the school (regulation 2.1). The last one of a school cannot be removed.',
    },
    SCHOOL_ADMINISTRATION: { description: 'Leads the school: the head and the deputies (regulation 2.2).' },
    TEACHER: { description: 'Teaches: as a class teacher (regulation 2.3) or in a subject (2.4), in the classes of their assignments.' },
    STUDENT: { description: 'A pupil, of at most one class at a time (regulation 2.5). Excludes the other roles in the same school.' },
  } as const,
});
