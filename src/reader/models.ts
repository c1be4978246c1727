/** The tables that statements read: their columns and relations, by the names that filters, orders and rows use. */

export interface Model {
  table: string;
  /** Columns by field name, in the schema's order. */
  columns: ReadonlyMap<string, string>;
  relations: ReadonlyMap<string, Relation>;
}

export interface Relation {
  model: string;
  /** The join: column `own` of this model's table equals column `other` of the related table. */
  own: string;
  other: string;
  /** True for a to-many relation, false for a to-one relation. */
  many: boolean;
}

export type Models = Readonly<Record<string, Model>>;
