/** Returns milliseconds of the machine's monotonic clock, the same in all its processes. */
export const now = (): number => performance.now() + ahead;

const ahead = Number(process.hrtime.bigint()) / 1e6 - performance.now();
