import { readFileSync } from 'node:fs';
import { CLOCK_TICK_US } from './processes.ts';

/** How long the hypervisor has kept this machine's cores for others, all of them together, milliseconds since its start. */
export function stolenMs(): number {
  // cpu user nice system idle iowait irq softirq steal …
  const fields = readFileSync('/proc/stat', 'latin1').split('\n', 1)[0]!.split(/ +/);
  return (Number(fields[8]) * CLOCK_TICK_US) / 1000;
}
