import { countByParents, type CountOptions } from '../reader/count.ts';
import type { Context } from './context.ts';
import type { Page, ResourceType, UncountedPage } from './entities.ts';

/** The parent of a list. */
export interface Parent {
  model: ResourceType;
  id: string;
  relation: string;
}

/** A page of a list under a parent, which counts the whole list when `totalCount` is selected. */
export class ListPage<Row> implements Page<Row> {
  readonly edges: Page<Row>['edges'];
  readonly pageInfo: Page<Row>['pageInfo'];
  readonly #ctx: Context;
  readonly #parent: Parent;
  readonly #counted: CountOptions;

  /** @param counted what `totalCount` counts: the rows of the list that the actor may read, on all pages. */
  constructor({ edges, pageInfo }: UncountedPage<Row>, ctx: Context, parent: Parent, counted: CountOptions) {
    this.edges = edges;
    this.pageInfo = pageInfo;
    this.#ctx = ctx;
    this.#parent = parent;
    this.#counted = counted;
  }

  /** Counts the items that the actor may read. One statement counts the items of all parents with the same filter. */
  async totalCount(): Promise<number> {
    const { model, id, relation } = this.#parent;
    const { filter, distinct } = this.#counted;
    const { loaders, db } = this.#ctx;
    const key = JSON.stringify(['count', model, relation, filter, distinct]);
    const count = (parentIds: readonly string[]) => countByParents(db, { model, relation, parentIds }, { filter, distinct });
    return (await loaders.of<number>(key, id, count)) ?? 0;
  }
}
