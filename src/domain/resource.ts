import type { Prisma } from '../db/generated/client.ts';
import type { Rows } from '../db/generated/rows.ts';
import type { Database } from '../db/client.ts';
import type { Action, Facts, Noun } from '../policy/permissions.ts';

/** The TypeScript types of an entry in the table of src/domain/resources.ts. */

/** The name of a Prisma model. A type that has a global id has the name of its model. */
export type ModelName = Prisma.ModelName;

/** A row of a model. */
export type RowOf<M extends ModelName> = Rows[M];

export type FieldDependencies = Readonly<Record<string, readonly string[]>>;

/** A row to which a row refers, such as the school of a class. The GraphQL field of this name returns the parent. */
export interface Parent {
  type: ModelName;
  /** The column with the parent's id. */
  column: string;
  /**
   * Whether the statement that reads a list may also read the parent of each row. The row then has the parent in the property
   * `joined`. So only one parent of a type may have this.
   */
  isJoined?: true;
}

export interface Resource<M extends ModelName> {
  /** The action that allows reading a row. */
  read: Action;
  /**
   * The name of a parent, which is also the name of the relation. If set, the right to read this parent decides who may read
   * the row: `read` is checked on the parent.
   */
  via?: string;
  /**
   * The facts by which the policy decides, for each noun whose actions apply to this type. Each function reads the facts from
   * a row alone. A type with `via` and without facts of its own uses the facts of its parent.
   */
  facts: { [N in Noun]?: (row: RowOf<M>) => Facts[N] };
  /** Like `facts`, for facts that need an SQL statement. If the result is null, the row counts as unreadable. */
  loadFacts?: { [N in Noun]?: (row: RowOf<M>, db: Pick<Database, 'reads'>) => Promise<Facts[N] | null> };
  /** The parents by the name of their field. A type alone stands for a parent with the column `<field>Id`. */
  parents?: Readonly<Record<string, ModelName | Parent>>;
  /**
   * Whether one statement reads the rows for all requests in a turn of the event loop, for any actor. `facts` then decides
   * who gets a row. Only for types with few and small rows.
   */
  isBatched?: true;
  /**
   * The place of the type in the order of locks: `lock` takes locks in ascending rank. Rows of a type without a rank cannot
   * be locked.
   */
  lockRank?: number;
  /**
   * The names of further ids, in the payloads of events, that refer to a row of this type. For Class: `fromClassId`, in
   * addition to `classId`.
   */
  payloadIds?: readonly string[];
  /**
   * The columns that each GraphQL field needs. Leaves out parents, and fields that have the name of their column. If set,
   * queries read only the columns of the selected fields. Set it for types of which a response may have hundreds of rows.
   * test/domain/loaders/selected-columns.test.ts checks that no field is missing.
   */
  fieldDependencies?: FieldDependencies;
}

/** Returns the dependencies of fields that need only the row's id. */
export const byId = (...fields: readonly string[]): FieldDependencies => Object.fromEntries(fields.map((field) => [field, ['id']]));

/** Returns the parents, and adds the columns that the table leaves out. */
export const parentsOf = ({ parents = {} }: { parents?: Resource<ModelName>['parents'] }): Readonly<Record<string, Parent>> =>
  Object.fromEntries(
    Object.entries(parents).map(([field, parent]) => [field, typeof parent === 'string' ? { type: parent, column: `${field}Id` } : parent]),
  );
