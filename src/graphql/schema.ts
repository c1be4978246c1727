import type { GraphQLInterfaceType } from 'graphql';
import type { ResourceType } from '../domain/entities.ts';
import { builder } from './builder.ts';
import { globalId } from './typed-id.ts';
import type { RawColumns } from '../executor/raw-columns.ts';
import './scalars.ts';
import './assignments.ts';
import './chat-members.ts';
import './chats.ts';
import './classes.ts';
import './enrolments.ts';
import './events.ts';
import './external-ids.ts';
import './invitations.ts';
import './passwords.ts';
import './plan-mutations.ts';
import './plan-progress.ts';
import './plans.ts';
import './personal-invitations.ts';
import './roles.ts';
import './roster-downloads.ts';
import './schools.ts';
import './school-years.ts';
import './sessions.ts';
import './subjects.ts';
import './terms.ts';
import './uploads.ts';
import './users.ts';
import './viewer.ts';

export const schema = builder.toSchema();

// Hot path: sets a synchronous resolver for each id. The resolver of the relay plugin awaits a promise for every id.
for (const type of schema.getPossibleTypes(schema.getType('Node') as GraphQLInterfaceType)) {
  const field = type.getFields().id!;
  field.resolve = ({ id }: { id: string }) => globalId(type.name as ResourceType, id);
  field.extensions = { ...field.extensions, rawColumns: { columns: ['id'], idOf: type.name } satisfies RawColumns };
}
