/** What a field adds to the cost of an operation (src/http/graphql/cost.ts). A field states this as its extension `cost`. */
export interface FieldCost {
  /** The cost of a field without a selection, in objects; 0 by default. */
  objects?: number;
  /**
   * The largest number of items that a list holds in practice. The cost counts at most this number, however large the page
   * is.
   */
  maxItems?: number;
  /** The name of an argument. If a client sets it to true, `maxItems` does not apply. */
  unless?: string;
}
