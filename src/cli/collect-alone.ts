import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Marking beside what runs, and sweeping: threads that would take the processor from the one that answers. */
const LONG_WORK = ['--no-concurrent-marking', '--no-concurrent-sweeping'];

/**
 * From now on the collector marks and sweeps on the thread that answers, a tenth of a millisecond at a time
 * (docs/adr/0007-small-young-generation.md). Called before anything is served: until then those threads help, and a start has
 * less garbage in memory when it ends.
 *
 * Collects everything first. V8 must not be marking when these flags change; its own tests do it in the same order
 * (`ManualGCScope`).
 */
export function collectAlone(): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  setFlagsFromString('--no-expose-gc');
  collect();
  for (const flag of LONG_WORK) setFlagsFromString(flag);
}
