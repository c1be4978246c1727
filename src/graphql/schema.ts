import { builder } from './builder.ts';
import './scalars.ts';
import './assignments.ts';
import './chatMembers.ts';
import './chats.ts';
import './classes.ts';
import './enrolments.ts';
import './events.ts';
import './invitations.ts';
import './roles.ts';
import './schools.ts';
import './schoolYears.ts';
import './sessions.ts';
import './subjects.ts';
import './users.ts';
import './viewer.ts';

export const schema = builder.toSchema();
