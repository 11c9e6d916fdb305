import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ColdStartFigures } from './cold-start.ts';
import type { Machine } from './machine.ts';
import type { EchoFigures } from './echo.ts';
import type { FaultReport } from './faults.ts';
import type { GhzFigures } from './measure-ghz.ts';
import type { LoadFigures } from './measure-load.ts';
import type { MaterializeFigures } from './materialize.ts';
import type { MemoryFigures, SoakFigures } from './memory.ts';
import type { OverloadFigures } from './overload.ts';
import type { PeerFigures } from './peers.ts';
import type { ProfileFigures } from './profile.ts';
import type { ReadRow } from './redis-reads.ts';
import type { RegistryReloadFigures } from './registry-reload.ts';
import type { ScalingFigures } from './scaling.ts';
import type { WriteFigures } from './writes.ts';

/** What can be measured; each part is one entry of a results file. */
export interface Parts {
  readonly load: readonly LoadFigures[];
  readonly ghz: readonly GhzFigures[];
  readonly peers: readonly PeerFigures[];
  readonly registry: readonly RegistryReloadFigures[];
  readonly cold: readonly ColdStartFigures[];
  readonly memory: MemoryFigures;
  readonly soak: SoakFigures;
  readonly overload: readonly OverloadFigures[];
  readonly faults: FaultReport;
  readonly redis: readonly ReadRow[];
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
export const RESULTS_FOLDER = join(import.meta.dirname, 'results');

/** Writes a dated file, replacing an earlier state of the same run; gives its path. */
export function saveResults(folder: string, results: RunResults): string {
  mkdirSync(folder, { recursive: true });
  const name = results.when.slice(0, 16).replaceAll(/[-:]/g, '');
  const path = join(folder, `${name}.json`);
  writeFileSync(path, `${JSON.stringify(results, null, 1)}\n`);
  return path;
}

/** All saved runs, oldest first. */
export function loadResults(): RunResults[] {
  return readdirSync(RESULTS_FOLDER)
    .filter((file) => file.endsWith('.json'))
    .sort()
    .map((file) => JSON.parse(readFileSync(join(RESULTS_FOLDER, file), 'utf8')) as RunResults);
}
