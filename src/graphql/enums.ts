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
