/** Polyfills Promise.withResolvers, which PostGraphile uses and Node 20 lacks. */
const all = Promise as unknown as { withResolvers?: () => unknown };
all.withResolvers ??= () => {
  let resolve: unknown;
  let reject: unknown;
  const promise = new Promise((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
};
