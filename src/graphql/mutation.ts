import type { InputFieldBuilder, InputFieldMap, InputShapeFromFields, ObjectRef } from '@pothos/core';
import { refusalOf } from '../domain/context.ts';
import type { Resources, ResourceType } from '../domain/resources.ts';
import { Refusal } from '../errors.ts';
import { builder, refs, type BuilderTypes } from './builder.ts';
import type { GraphContext } from './context.ts';
import { parseIds, typedIdsOf, type TypedIds } from './typed-id.ts';

export const RefusalCode = builder.enumType('RefusalCode', {
  description: 'Why a change was refused. The codes are stable, so clients may branch on them.',
  values: {
    INVALID: { description: 'A value of the input is wrong; `path` names the field.' },
    NOT_FOUND: { description: 'The object does not exist, or you may not see it.' },
    FORBIDDEN: {
      description:
        'You may see the object, but your roles do not allow this change; `clause` names the clause of the regulation that decides.',
    },
    CONFLICT: { description: 'The current state does not allow the change: for example, the class is archived, or the link has expired.' },
    RATE_LIMITED: { description: 'Too many attempts. Retry after `retryAfter` seconds.' },
    UNAUTHENTICATED: { description: 'You are not signed in: the request has no access token.' },
    UNAVAILABLE: {
      description:
        'The database or another dependency of the server does not respond. Retry after `retryAfter` seconds, with the same `idempotencyKey` if you sent one: the change may have been saved.',
    },
  } as const,
});

/**
 * Wraps a refusal as the result of a resolver. If the resolver returned the Refusal itself, which is an Error, graphql-js
 * would throw it.
 */
interface Refused {
  refusal: Refusal;
}

const RefusalRef = builder
  .objectRef<Refused>('Refusal')
  .implement({
    description:
      'A refused change and its reason. Nothing was saved, unless `code` is UNAVAILABLE and `message` says that the outcome is unknown.',
    fields: (t) => ({
      code: t.field({ type: RefusalCode, description: 'The reason, for the client to branch on.', resolve: ({ refusal }) => refusal.code }),
      message: t.string({
        description: 'The reason as a sentence to show to the person: in Russian, or in English if the header Accept-Language prefers it.',
        resolve: ({ refusal }, _args, ctx) => refusal.say(ctx.language),
      }),
      path: t.stringList({
        nullable: true,
        description: 'The path of the input field at fault, outermost name first; null if the refusal is not about one field.',
        resolve: ({ refusal }) => (refusal.at === undefined ? null : [...refusal.at]),
      }),
      clause: t.string({
        nullable: true,
        description: "The clause of the school's regulation that decided, such as 2.5 a; null if the reason is not a clause.",
        resolve: ({ refusal }) => refusal.clause ?? null,
      }),
      retryAfter: t.int({
        nullable: true,
        description: 'Whole seconds to wait before a retry, at least 1; null unless `code` is RATE_LIMITED or UNAVAILABLE.',
        resolve: ({ refusal }) => refusal.retryAfterSeconds ?? null,
      }),
    }),
  });

/**
 * The parsed input. TypeScript checks a `run` that is not a lambda before it infers the fields. Until then this type is
 * `never`, so that the check passes.
 */
type ParsedInput<Fields extends InputFieldMap> = string extends keyof Fields ? never : InputShapeFromFields<Fields>;

/** A reference to an object type without a global id, such as `PasswordLink`: clients cannot query such an object again. */
interface ValueType {
  readonly $inferType: object;
}

/** The type of the value that `run` must return, by the option `returns` of the mutation. */
type Returned<T extends ResourceType | ValueType> = T extends ResourceType
  ? Resources[T]
  : T extends { readonly $inferType: infer Value }
    ? Value
    : never;

interface MutationOptions<T extends ResourceType | ValueType, Fields extends InputFieldMap> {
  description: string;
  /** The type that the mutation returns: a resource, or an object type without a global id. */
  returns: T;
  inputDescription: string;
  input: (t: InputFieldBuilder<BuilderTypes, 'InputObject'>) => Fields;
  /**
   * Calls one operation and returns its result. In `input`, row ids replace the global IDs, and null replaces an omitted id.
   * If `run` throws a Refusal, the mutation returns it; a transient error becomes UNAVAILABLE.
   */
  run: (ctx: GraphContext, input: NoInfer<ParsedInput<Fields>>) => Promise<Returned<T>>;
}

const refOf = (type: ResourceType | ValueType): ObjectRef<BuilderTypes, object> =>
  (typeof type === 'string' ? refs[type] : type) as ObjectRef<BuilderTypes, object>;

/** Adds the mutation `name(input: NameInput!): NameResult!`, with `union NameResult = Row | Refusal`. */
export function mutation<T extends ResourceType | ValueType, const Fields extends InputFieldMap>(
  name: string,
  { description, returns, inputDescription, input, run }: MutationOptions<T, Fields>,
): void {
  const Name = name[0]!.toUpperCase() + name.slice(1);
  let ids: TypedIds = [];
  const ReturnedRef = refOf(returns);
  const Input = builder.inputType(`${Name}Input`, {
    description: inputDescription,
    fields: (t) => {
      const fields = input(t);
      ids = typedIdsOf(fields);
      return fields as never;
    },
  });
  const Result = builder.unionType(`${Name}Result`, {
    description: `The result of \`${name}\`: the object after the change, or a \`Refusal\`.`,
    types: [ReturnedRef, RefusalRef],
    resolveType: (value: unknown) => ((value as Partial<Refused>).refusal instanceof Refusal ? RefusalRef : ReturnedRef),
  });
  builder.mutationField(name, (t) =>
    t.field({
      type: Result,
      description,
      args: { input: t.arg({ type: Input, required: true, description: "The mutation's input." }) },
      resolve: (async (_root: unknown, args: { input: ParsedInput<Fields> }, ctx: GraphContext) => {
        try {
          return await run(ctx, parseInput(args.input, ids));
        } catch (error) {
          const refusal = refusalOf(error);
          if (refusal === undefined) throw error;
          if (refusal.code === 'UNAVAILABLE') ctx.log.warn({ err: error, requestId: ctx.requestId }, 'unavailable');
          return { refusal } satisfies Refused;
        }
        // Cast, since Pothos cannot infer the generic input. TypeScript checks the types of `input` and `run` instead.
      }) as never,
    }),
  );
}

/**
 * Returns the input with the rows' ids in place of global IDs, and null in place of an omitted id. `idempotent` hashes this
 * form.
 */
const parseInput = <Input extends object>(input: Input, ids: TypedIds): Input => ({
  ...parseIds(input, ids),
  ...Object.fromEntries(ids.flatMap(([name]) => (Object.hasOwn(input, name) ? [] : [[name, null]]))),
});
