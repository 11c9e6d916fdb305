import { expect, test } from 'vitest';
import { FAULTS, playSchedule, type ScheduleOutcome } from './random-schedule.ts';

const SEED = process.env['REDIS_SIMULATION_SEED'];
/** `REDIS_SIMULATION_RUNS=100000` plays more schedules, `REDIS_SIMULATION_SEED=17` one of them again; both, those from it on. */
const RUNS = Number(process.env['REDIS_SIMULATION_RUNS'] ?? (SEED === undefined ? 500 : 1));
/** Schedules of one run differ from those of the next by this. */
const FIRST_SEED = Number(SEED ?? 1);

test('whatever breaks and when, reads are right or fail in time, and nothing is left over', async () => {
  const totals = {
    reads: 0,
    failedReads: 0,
    lostRows: 0,
    overloaded: 0,
    writes: 0,
    failedWrites: 0,
  };
  const faults = new Map<string, number>();
  for (let seed = FIRST_SEED; seed < FIRST_SEED + RUNS; seed++) {
    const outcome = await play(seed);
    for (const name of Object.keys(totals) as (keyof typeof totals)[])
      totals[name] += outcome[name];
    for (const fault of outcome.faults) {
      const name = fault.replace(/ of n\d at .*/, '');
      faults.set(name, (faults.get(name) ?? 0) + 1);
    }
  }
  if (RUNS < 500) return;
  // Schedules that break nothing, or everything, would prove nothing.
  expect(faults.size).toBe(Object.keys(FAULTS).length);
  expect(totals.failedReads).toBeGreaterThan(totals.reads * 0.005);
  expect(totals.failedReads).toBeLessThan(totals.reads * 0.5);
  expect(totals.failedWrites).toBeLessThan(totals.writes * 0.8);
  expect(totals.lostRows).toBeGreaterThan(0);
  expect(totals.overloaded).toBeGreaterThan(0);
}, 3_600_000);

test.each([
  [73_583, 'five cuts of the only node within 220 ms'],
  [300_977, 'a primary that was stopped while its keys moved comes back as a replica'],
  [419_442, 'a primary is asked about a key that has moved, and answers as a replica'],
  [452_793, 'a write gets the answer of another one, whose slot has moved'],
  [537_637, 'a connection is set up with one reply too many'],
])('schedule %i is got over: %s', async (seed) => {
  await play(seed);
});

async function play(seed: number): Promise<ScheduleOutcome> {
  try {
    return await playSchedule(seed);
  } catch (error) {
    throw new Error(
      `seed ${seed} (REDIS_SIMULATION_SEED=${seed} plays it again): ${String(error)}`,
      {
        cause: error,
      },
    );
  }
}
