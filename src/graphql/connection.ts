import type { ArgBuilder, InputFieldMap, InputShapeFromFields, ObjectRef } from '@pothos/core';
import type { Page, PageArgs } from '../domain/entities.ts';
import { resourceTypes, type Resources, type ResourceType } from '../domain/resources.ts';
import { builder, refs, type BuilderTypes } from './builder.ts';
import type { GraphContext } from './context.ts';
import { parseIds, typedIdsOf, type TypedIds } from './typed-id.ts';

type PageRef = ObjectRef<BuilderTypes, Page<object>>;

/** References to the pages of each resource, by the name of the resource. */
const pageRefs = new Map<ResourceType, PageRef>(resourceTypes.map((type) => [type, builder.objectRef<Page<object>>(`${type}Connection`)]));

/** Adds the type of a page of a resource. */
export function implementConnection(type: ResourceType, plural: string): void {
  const implemented = builder.connectionObject({ type: refs[type], name: `${type}Connection`, description: `A page of ${plural}.` });
  builder.configStore.associateParamWithRef(pageRefs.get(type)!, implemented);
}

interface ConnectionOptions<P extends ResourceType, C extends ResourceType, Args extends InputFieldMap> {
  of: C;
  description: string;
  /** Arguments besides `first`, `last`, `after` and `before`. */
  args?: (t: ArgBuilder<BuilderTypes>) => Args;
  /** Returns the page. `args` has the rows' ids in place of global IDs. */
  list: (ctx: GraphContext, parent: Resources[P], args: PageArgs & NoInfer<InputShapeFromFields<Args>>) => Promise<Page<Resources[C]>>;
}

/** Adds a field to the object type of `parent`: a list of resources, page by page. */
export function connection<P extends ResourceType, C extends ResourceType, const Args extends InputFieldMap = Record<never, never>>(
  parent: P,
  name: string,
  { of, description, args, list }: ConnectionOptions<P, C, Args>,
): void {
  builder.objectField(refs[parent], name, (t) => {
    const fields = args?.(t.arg);
    const ids: TypedIds = typedIdsOf(fields ?? {});
    return t.connection(
      {
        type: refs[of],
        description,
        ...(fields && { args: fields }),
        // The types of `list` are checked instead: Pothos cannot infer generic arguments.
        resolve: ((row: Resources[P], given: PageArgs & InputShapeFromFields<Args>, ctx: GraphContext) =>
          list(ctx, row, parseIds(given, ids))) as never,
      },
      pageRefs.get(of) as never,
    );
  });
}
