import { actions, clauseOf, viewer, viewerCan, type Action, type Permission } from '../domain/viewer.ts';
import { builder, parseId, RefusalCode } from './builder.ts';
import { UserRef } from './refs.ts';

/** `chat.create` is CHAT_CREATE. */
const enumName = (action: Action): string =>
  action.replace('.', '_').replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();

const ActionEnum = builder.enumType('Action', {
  description: 'What can be done, by the table of permissions.',
  values: Object.fromEntries(
    actions.map((action) => [enumName(action), { value: action, description: `The action \`${action}\`; clause ${clauseOf(action)} of the regulation.` }]),
  ),
});

const PermissionRef = builder.objectRef<Permission>('Permission').implement({
  description: 'Whether you may do something, and which rule decides.',
  fields: (t) => ({
    allowed: t.exposeBoolean('allowed', { description: 'May you?' }),
    clause: t.exposeString('clause', { description: "The clause of the school's regulation that decides." }),
    code: t.field({
      // The enum stands in builder.ts; here it is meant by its name.
      type: RefusalCode,
      nullable: true,
      description: 'Why not; null when you may. INVALID: this is never done to such a thing.',
      resolve: (permission: Permission) => permission.code as never,
    }),
  }),
});

builder.queryField('viewer', (t) =>
  t.field({
    type: UserRef,
    nullable: true,
    description: 'You; null when nobody is signed in, and for a service.',
    resolve: (_root, _args, ctx) => viewer(ctx),
  }),
);

builder.queryField('viewerCan', (t) =>
  t.field({
    type: PermissionRef,
    description: 'May you do this to that? Rules that are not rights, such as an archived chat, may still refuse it when it is done.',
    args: {
      action: t.arg({ type: ActionEnum, required: true, description: 'What to do.' }),
      on: t.arg.id({
        required: true,
        description: 'What to do it to. For CHAT_CREATE: the school or the class where the chat would be made.',
      }),
    },
    resolve: (_root, { action, on }, ctx) => viewerCan(ctx, action, parseId(on)),
  }),
);
