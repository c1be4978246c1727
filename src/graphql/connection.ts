import type { ArgBuilder, FieldMap, InputFieldMap, InputShapeFromFields, ObjectRef } from '@pothos/core';
import type { Page, PageArgs } from '../domain/entities.ts';
import { resourceTypes, type Resources, type ResourceType } from '../domain/resources.ts';
import { builder, refs, type BuilderTypes } from './builder.ts';
import type { FieldCost } from './field-cost.ts';
import type { GraphContext } from './context.ts';
import { parseIds, typedIdsOf, type TypedIds } from './typed-id.ts';

type PageRef = ObjectRef<BuilderTypes, Page<object>>;

/** References to the page type of each resource, such as `ClassConnection`. */
const pageRefs = new Map<ResourceType, PageRef>(resourceTypes.map((type) => [type, builder.objectRef<Page<object>>(`${type}Connection`)]));

/** What `totalCount` adds to the cost of an operation, in objects. Counting 1,000 people took PostgreSQL 9 ms. */
const countCost = 25;

/** Declares `totalCount` of a page. */
export const countFields = <Shape>(t: PothosSchemaTypes.ObjectFieldBuilder<BuilderTypes, Shape>): FieldMap => ({
  totalCount: t.int({
    description:
      'The number of items on all pages: the items that match the arguments of the list and that you may see. Adds 25 objects to the cost of the operation.',
    extensions: { cost: { objects: countCost } satisfies FieldCost },
    // Cast, since Pothos's type of a page lacks `totalCount`.
    resolve: (page) => (page as Page<object>).totalCount(),
  }),
});

/** Adds the page type of a resource, such as `ClassConnection`. */
export function implementConnection(type: ResourceType, plural: string): void {
  const implemented = builder.connectionObject({
    type: refs[type],
    name: `${type}Connection`,
    description: `A page of ${plural}.`,
    fields: countFields,
  });
  builder.configStore.associateParamWithRef(pageRefs.get(type)!, implemented);
}

interface ConnectionOptions<P extends ResourceType, C extends ResourceType, Args extends InputFieldMap> {
  of: C;
  description: string;
  /** Arguments in addition to `first`, `last`, `after` and `before`. */
  args?: (t: ArgBuilder<BuilderTypes>) => Args;
  /** The cost of the field. Default: the size of the page. */
  cost?: FieldCost;
  /** Returns the page. `args` has the rows' ids in place of global IDs. */
  list: (ctx: GraphContext, parent: Resources[P], args: PageArgs & NoInfer<InputShapeFromFields<Args>>) => Promise<Page<Resources[C]>>;
}

/** Adds a field to the object type of `parent`: a list of resources, page by page. */
export function connection<P extends ResourceType, C extends ResourceType, const Args extends InputFieldMap = Record<never, never>>(
  parent: P,
  name: string,
  { of, description, args, cost, list }: ConnectionOptions<P, C, Args>,
): void {
  builder.objectField(refs[parent], name, (t) => {
    const fields = args?.(t.arg);
    const ids: TypedIds = typedIdsOf(fields ?? {});
    return t.connection(
      {
        type: refs[of],
        description,
        ...(fields && { args: fields }),
        ...(cost && { extensions: { cost } }),
        // Cast, since Pothos cannot infer generic arguments. TypeScript checks the types of `list` instead.
        resolve: ((row: Resources[P], given: PageArgs & InputShapeFromFields<Args>, ctx: GraphContext) =>
          list(ctx, row, parseIds(given, ids))) as never,
      },
      pageRefs.get(of) as never,
    );
  });
}
