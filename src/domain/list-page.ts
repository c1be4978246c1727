import type { Filter } from '../policy/scopes.ts';
import { countByParents } from '../reader/count.ts';
import type { Context } from './context.ts';
import type { Page, ResourceType, UncountedPage } from './entities.ts';

/** A list under a parent, without the bounds of a page. */
interface ListUnderParent {
  model: ResourceType;
  id: string;
  relation: string;
  /** The rows that the list may show the actor. */
  filter: Filter;
  /** The column that tells the items apart, where an item may have several rows. */
  distinct?: string;
}

/** A page of a list under a parent, which counts the whole list when `totalCount` is selected. */
export class ListPage<Row> implements Page<Row> {
  readonly edges: Page<Row>['edges'];
  readonly pageInfo: Page<Row>['pageInfo'];
  readonly #ctx: Context;
  readonly #list: ListUnderParent;

  constructor({ edges, pageInfo }: UncountedPage<Row>, ctx: Context, list: ListUnderParent) {
    this.edges = edges;
    this.pageInfo = pageInfo;
    this.#ctx = ctx;
    this.#list = list;
  }

  /** Counts the rows that the actor may read. One statement counts those of all parents with the same filter. */
  async totalCount(): Promise<number> {
    const { model, id, relation, filter, distinct } = this.#list;
    const { loaders, db } = this.#ctx;
    const key = JSON.stringify(['count', model, relation, filter, distinct]);
    return (
      (await loaders.of<number>(key, id, (parentIds) => countByParents(db, { model, relation, parentIds }, { where: filter, distinct }))) ??
      0
    );
  }
}
