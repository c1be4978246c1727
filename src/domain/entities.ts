import type { Resources } from './resources.ts';

/**
 * The types of the rows that operations return and the schema exposes. A row may be a row view (src/reader/row-view.ts).
 * `{ ...row }` copies no column of a row view. `plain(row)` copies every row.
 */
export type * from '../db/generated/rows.ts';
export type { Resources, ResourceType } from './resources.ts';

export type Enrolment = Resources['Enrolment'];
export type ChatMember = Resources['ChatMember'];

/** One page of a list, in the Relay specification's shape. */
export interface Page<Row> {
  /** Counts the items of the whole list that the actor may read. */
  totalCount(): Promise<number>;
  edges: Iterable<{ cursor: string; node: Row }>;
  pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string | null; endCursor: string | null };
}

/** A page of a list that is too long to count. */
export type UncountedPage<Row> = Omit<Page<Row>, 'totalCount'>;

/** The arguments that select a page. `paginate` (src/domain/connection.ts) checks them. */
export interface PageArgs {
  first?: number | null;
  after?: string | null;
  last?: number | null;
  before?: string | null;
}

/** Returns whether the row holds these values already. Compares with `===`, which does not work for dates. */
export const changesNothing = <Row extends object>(row: Row, data: Partial<Row>): boolean =>
  Object.entries(data).every(([column, value]) => row[column as keyof Row] === value);
