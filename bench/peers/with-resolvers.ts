/** Promise.withResolvers, which PostGraphile uses and Node 20 has not. */
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
