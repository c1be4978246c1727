/** Returns the CPU milliseconds that this process uses for `run`: unlike elapsed time, other load hardly changes them. */
export function cpuMsOf(run: () => unknown): number {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
