import type { GraphQLInterfaceType } from 'graphql';
import type { ThingName } from '../domain/rows.ts';
import { builder, globalId, type TextOf } from './builder.ts';
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

// The relay plugin waits for a promise at every id; a row has its id at hand.
for (const type of schema.getPossibleTypes(schema.getType('Node') as GraphQLInterfaceType)) {
  const field = type.getFields().id!;
  field.resolve = ({ id }: { id: string }) => globalId(type.name as ThingName, id);
  field.extensions = { ...field.extensions, text: { columns: ['id'], idOf: type.name } satisfies TextOf };
}
