/**
 * Returns the CPU milliseconds that this process uses for `run`. Other load on the machine hardly changes this time.
 */
export function cpuMsOf(run: () => unknown): number {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
