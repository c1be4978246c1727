import { actions, clauseOf, descriptionOf, targetsOf, viewer, viewerCan, type Action, type Permission } from '../domain/viewer.ts';
import { builder, enumName, refs } from './builder.ts';
import { RefusalCode } from './mutation.ts';
import { parseId } from './typed-id.ts';

const either = new Intl.ListFormat('en-GB', { type: 'disjunction' });

/** Returns what the action does, the types of object that `viewerCan` takes for it, and the clause. */
const describe = (action: Action): string =>
  `${descriptionOf(action)} \`viewerCan\` takes an ID of type ${either.format(targetsOf(action))}. Clause ${clauseOf(action)} of the regulation.`;

const ActionEnum = builder.enumType('Action', {
  description:
    'An action that the roles of a person allow or do not allow. `viewerCan` takes the object of the action or one that belongs to it: for the withdrawal of a pupil, the class or an enrolment in it.',
  values: Object.fromEntries(actions.map((action) => [enumName(action), { value: action, description: describe(action) }])),
});

const PermissionRef = builder
  .objectRef<Permission>('Permission')
  .implement({
    description: 'Whether you may perform an action on an object, and which rule decides.',
    fields: (t) => ({
      allowed: t.exposeBoolean('allowed', { description: 'Whether your roles allow the action.' }),
      clause: t.exposeString('clause', { description: "The clause of the school's regulation that decides, such as 2.2 e." }),
      code: t.field({
        type: RefusalCode,
        nullable: true,
        description: 'Why you may not; null if you may. INVALID means that the action does not apply to objects of this type.',
        resolve: (permission: Permission) => permission.code as never,
      }),
    }),
  });

builder.queryField('viewer', (t) =>
  t.field({
    type: refs.User,
    nullable: true,
    description: 'The signed-in person; null for an anonymous request and for a service.',
    resolve: (_root, _args, ctx) => viewer(ctx),
  }),
);

builder.queryField('viewerCan', (t) =>
  t.field({
    type: PermissionRef,
    description:
      'Whether you may perform `action` on `on`, and which clause of the regulation decides. The mutation may still be refused for the state of the object, such as an archived chat.',
    args: {
      action: t.arg({ type: ActionEnum, required: true, description: 'The action to check.' }),
      on: t.arg.id({
        required: true,
        description:
          'The global ID of the object, of the type that the description of the action names. For CHAT_CREATE: the school or the class in which the chat would be created.',
      }),
    },
    resolve: (_root, { action, on }, ctx) => viewerCan(ctx, action, parseId(on)),
  }),
);
