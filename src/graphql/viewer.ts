import { actions, clauseOf, descriptionOf, targetsOf, viewer, viewerCan, type Action, type Permission } from '../domain/viewer.ts';
import { builder, enumName, refs } from './builder.ts';
import { RefusalCode } from './mutation.ts';
import { parseId } from './typed-id.ts';

const either = new Intl.ListFormat('en-GB', { type: 'disjunction' });

/** Returns the description of an action: what it does, which types of object `viewerCan` accepts, and the clause. */
const describe = (action: Action): string =>
  `${descriptionOf(action)} \`viewerCan\` takes an ID of type ${either.format(targetsOf(action))}. Clause ${clauseOf(action)} of the regulation.`;

const ActionEnum = builder.enumType('Action', {
  description:
    'An action that the roles of a person allow or do not allow. Its name is that of its mutation, with the noun first: CHAT_CREATE is `createChat`. An action whose name contains READ is about queries. Each description lists the types of object that `viewerCan` accepts for the action.',
  values: Object.fromEntries(actions.map((action) => [enumName(action), { value: action, description: describe(action) }])),
});

const PermissionRef = builder
  .objectRef<Permission>('Permission')
  .implement({
    description: 'Whether you may perform an action on an object, and which clause of the regulation decides.',
    fields: (t) => ({
      allowed: t.exposeBoolean('allowed', { description: 'Whether your roles allow the action.' }),
      clause: t.exposeString('clause', { description: "The clause of the school's regulation that decides, such as 2.2 e." }),
      code: t.field({
        type: RefusalCode,
        nullable: true,
        description:
          'Why the action is not allowed; null if it is. FORBIDDEN: your roles do not allow it. NOT_FOUND: the object does not exist, or you may not see it. INVALID: the action does not apply to objects of this type. UNAUTHENTICATED: you are not signed in.',
        resolve: (permission: Permission) => permission.code as never,
      }),
    }),
  });

builder.queryField('viewer', (t) =>
  t.field({
    type: refs.User,
    nullable: true,
    description:
      'The person who makes the request, called «you» in this schema; null for a request without an access token, and for a service.',
    resolve: (_root, _args, ctx) => viewer(ctx),
  }),
);

builder.queryField('viewerCan', (t) =>
  t.field({
    type: PermissionRef,
    description:
      'Whether your roles allow you to perform `action` on the object `on`, for example to show or hide a button. The mutation may still be refused with CONFLICT for the state of the object, such as an archived chat.',
    args: {
      action: t.arg({ type: ActionEnum, required: true, description: 'The action to check.' }),
      on: t.arg.id({
        required: true,
        description:
          'The global ID of the object of the action. An object inside that object gives the same answer: a SchoolYear, a Term and a RoleGrant stand for their school, an Assignment and an Enrolment for their class, and a ChatMember for its chat. To create an object, give the school or the class in which it would be created. For the actions of chats, a School or a Class stands for a new chat of any kind in it.',
      }),
    },
    resolve: (_root, { action, on }, ctx) => viewerCan(ctx, action, parseId(on)),
  }),
);
