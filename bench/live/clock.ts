/** Milliseconds of the machine's monotonic clock, which all its processes share. */
export const now = (): number => performance.now() + ahead;

const ahead = Number(process.hrtime.bigint()) / 1e6 - performance.now();
