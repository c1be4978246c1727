/** Returns milliseconds of the machine's monotonic clock. All processes of the machine get the same value. */
export const now = (): number => performance.now() + ahead;

const ahead = Number(process.hrtime.bigint()) / 1e6 - performance.now();
