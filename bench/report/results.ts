import type { AddedLatencyFigures } from '../parts/added-latency.ts';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ColdStartFigures } from '../parts/cold-start.ts';
import type { Machine } from '../machine/machine.ts';
import type { EchoFigures } from '../parts/echo.ts';
import type { FaultReport } from '../parts/faults.ts';
import type { GhzFigures } from '../parts/measure-ghz.ts';
import type { LoadFigures } from '../parts/measure-load.ts';
import type { LatencyFigures } from '../parts/latency.ts';
import type { DoctorFigures } from '../parts/doctor.ts';
import type { ShardsFigures } from '../parts/shards.ts';
import type { WorkersFigures } from '../parts/workers.ts';
import type { MaterializeFigures } from '../parts/materialize.ts';
import type { MemoryFigures, SoakFigures } from '../parts/memory.ts';
import type { OverloadFigures } from '../parts/overload.ts';
import type { PeerFigures } from '../parts/peers.ts';
import type { ProfileFigures } from '../parts/profile.ts';
import type { ReadRow } from '../parts/redis-reads.ts';
import type { RegistryReloadFigures } from '../parts/registry-reload.ts';
import type { ScalingFigures } from '../parts/scaling.ts';
import type { WriteFigures } from '../parts/writes.ts';

/** What can be measured; each part is one entry of a results file. */
export interface Parts {
  readonly load: readonly LoadFigures[];
  readonly ghz: readonly GhzFigures[];
  readonly peers: readonly PeerFigures[];
  readonly latency: LatencyFigures;
  readonly workers: readonly WorkersFigures[];
  readonly shards: readonly ShardsFigures[];
  readonly doctor: DoctorFigures;
  readonly registry: readonly RegistryReloadFigures[];
  readonly cold: readonly ColdStartFigures[];
  readonly memory: MemoryFigures;
  readonly soak: SoakFigures;
  readonly overload: readonly OverloadFigures[];
  readonly faults: FaultReport;
  readonly redis: readonly ReadRow[];
  readonly added: AddedLatencyFigures;
  readonly profile: readonly ProfileFigures[];
  readonly writes: readonly WriteFigures[];
  readonly scaling: readonly ScalingFigures[];
  readonly echo: readonly EchoFigures[];
  readonly materialize: readonly MaterializeFigures[];
}

/** Name of a part, as on the command line. */
export type PartName = keyof Parts;

/** A file of bench/results/: one run of bench/run.ts. */
export interface RunResults {
  /** ISO 8601. */
  readonly when: string;
  /** Arguments of bench/run.ts. */
  readonly command: string;
  readonly machine: Machine;
  readonly rounds: number;
  readonly seconds: number;
  readonly parts: Partial<Parts>;
}

/** Where runs are kept. */
export const RESULTS_FOLDER = join(import.meta.dirname, '..', 'results');

/** Writes a dated file, replacing an earlier state of the same run; gives its path. */
export function saveResults(folder: string, results: RunResults): string {
  mkdirSync(folder, { recursive: true });
  const name = results.when.slice(0, 16).replaceAll(/[-:]/g, '');
  const path = join(folder, `${name}.json`);
  writeFileSync(path, `${JSON.stringify(results, null, 1)}\n`);
  return path;
}

/** All runs saved in a folder, oldest first. */
export function loadResults(folder: string): RunResults[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .sort()
    .map((file) => loadRun(join(folder, file)));
}

/** One saved run. @throws Error for a file that is none */
export function loadRun(path: string): RunResults {
  const run = JSON.parse(readFileSync(path, 'utf8')) as RunResults;
  if (run.parts === undefined) throw new Error(`${path} is no results of a run`);
  return run;
}
