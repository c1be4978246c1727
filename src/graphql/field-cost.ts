/** What a field adds to the cost of an operation, as its extension `cost` (src/http/graphql/cost.ts). */
export interface FieldCost {
  /** The cost of a field without a selection, in objects; 0 by default. */
  objects?: number;
  /** The largest number of items that a list holds in practice. The cost counts no more, however large the page. */
  maxItems?: number;
  /** An argument that lifts `maxItems` when it is true. */
  unless?: string;
}
