import type { Prisma } from '../db/generated/client.ts';
import type { Rows } from '../db/generated/rows.ts';
import type { Database } from '../db/client.ts';
import type { Action, Facts, Noun } from '../policy/permissions.ts';

/** What the table of src/domain/resources.ts states about a type. */

/** The name of a Prisma model. A type that has a global id has the name of its model. */
export type ModelName = Prisma.ModelName;

/** A row of a model. */
export type RowOf<M extends ModelName> = Rows[M];

export type FieldDependencies = Readonly<Record<string, readonly string[]>>;

/** Another row that a row refers to. The field of the same name returns it. */
export interface Parent {
  type: ModelName;
  /** The column with the parent's id. */
  column: string;
  /** Whether lists may read the parent in the same statement, into the row's `joined`. At most one parent of a type. */
  isJoined?: true;
}

export interface Resource<M extends ModelName> {
  /** The action that allows reading a row. */
  read: Action;
  /**
   * The parent on which the action `read` is checked, for a row that is read by the right to its parent. Also the name of
   * the relation.
   */
  via?: string;
  /**
   * The facts that the policy decides by, from a row alone: for each noun whose actions may be asked on this type. A type
   * with `via` and without facts of its own takes those of its parent.
   */
  facts: { [N in Noun]?: (row: RowOf<M>) => Facts[N] };
  /** The facts that SQL statements must read. The row counts as unreadable if the result is null. */
  loadFacts?: { [N in Noun]?: (row: RowOf<M>, db: Pick<Database, 'reads'>) => Promise<Facts[N] | null> };
  /** The parents by their fields, each with its type. The column is the field's name and `Id`, unless it is given. */
  parents?: Readonly<Record<string, ModelName | Parent>>;
  /**
   * Whether one statement reads the rows for all requests of a turn of the event loop, for any actor. `facts`
   * then decide who gets a row. Only for types whose rows are few and small.
   */
  isBatched?: true;
  /** The place of the type in the order of locks: `lock` takes them in ascending rank. Types without a rank are not locked. */
  lockRank?: number;
  /** More ids in the payloads of events that name a row of this type: `fromClassId` of Class, besides `classId`. */
  payloadIds?: readonly string[];
  /**
   * For types of which a response may have hundreds: the columns that each field needs, except parents and fields that
   * have the name of their column. Queries then read only the columns of the fields that they select.
   * test/domain/loaders/selected-columns.test.ts checks that no field is missing.
   */
  fieldDependencies?: FieldDependencies;
}

/** Fields that are read by the row's id alone. */
export const byId = (...fields: readonly string[]): FieldDependencies => Object.fromEntries(fields.map((field) => [field, ['id']]));

/** Returns the parents with the columns that the table leaves out. */
export const parentsOf = ({ parents = {} }: { parents?: Resource<ModelName>['parents'] }): Readonly<Record<string, Parent>> =>
  Object.fromEntries(
    Object.entries(parents).map(([field, parent]) => [field, typeof parent === 'string' ? { type: parent, column: `${field}Id` } : parent]),
  );
