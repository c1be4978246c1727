/** The items of one subscription. */
export interface ItemStream<Item> extends AsyncIterableIterator<Item, void, undefined> {
  /**
   * Returns whether the subscriber still has the rights that it had when the last item was yielded. Loads the rights again
   * if the cached rights are too old.
   */
  confirm(): Promise<boolean>;
  /**
   * Takes back the last item, because the caller did not send it. `next` then returns it again, if the current rights
   * allow it.
   */
  repeat(): void;
}
