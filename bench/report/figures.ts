import type { Parts, RunResults } from './results.ts';
import type { Spread } from './spread.ts';

/** One thing that was measured, and all rounds of it that were kept. */
export interface NamedFigure {
  readonly name: string;
  readonly unit: string;
  readonly isLessBetter: boolean;
  readonly rounds: readonly number[];
}

type Collect = (name: string, unit: string, value: number | Spread | undefined) => void;

const RATES = new Set(['requests/s', 'rows/s']);

/** The figures of a run that another run can be held against. */
export function figuresOf({ parts }: Pick<RunResults, 'parts'>): NamedFigure[] {
  const found = new Map<string, NamedFigure & { rounds: number[] }>();
  const collect: Collect = (name, unit, value) => {
    if (value === undefined || value === null) return;
    const key = `${name} [${unit}]`;
    const known = found.get(key);
    const entry = known ?? { name, unit, isLessBetter: !RATES.has(unit), rounds: [] };
    found.set(key, entry);
    if (typeof value === 'number') entry.rounds.push(value);
    else entry.rounds.push(value.min, value.median, value.max);
  };
  collectReads(parts, collect);
  collectState(parts, collect);
  return [...found.values()];
}

function collectReads(parts: Partial<Parts>, collect: Collect): void {
  for (const each of parts.peers ?? []) {
    const name = `peers: ${each.workload}, ${each.server}`;
    collect(name, 'us CPU', each.cpuUsPerRequest);
    collect(`${name}, alone p50`, 'ms', each.aloneP50Ms);
  }
  for (const { scenario, kind, ...each } of parts.load ?? []) {
    collect(`load: ${scenario}, ${kind ?? 'joined'}`, 'us CPU', each.cpuUsPerRequest);
    collect(`load: ${scenario}, ${kind ?? 'joined'}`, 'requests/s', each.requestsPerSecond);
  }
  for (const { server, workload, steps } of parts.latency?.curves ?? []) {
    for (const { share, latencies } of steps) {
      collect(`latency: ${workload}, ${server}, ${share} of capacity, p50`, 'ms', latencies.p50Ms);
      collect(`latency: ${workload}, ${server}, ${share} of capacity, p99`, 'ms', latencies.p99Ms);
    }
  }
  for (const each of parts.ghz ?? []) {
    collect(`ghz: ${each.scenario}, ${each.loop}, p50`, 'ms', each.corrected.p50Ms);
  }
  for (const { connections, streamsPerConnection, ...each } of parts.scaling ?? []) {
    collect(`scaling: ${connections} x ${streamsPerConnection}`, 'us CPU', each.cpuUsPerRequest);
  }
  for (const { engine, connections, streamsPerConnection, ...each } of parts.echo ?? []) {
    const load = `${connections} x ${streamsPerConnection}`;
    collect(`echo: ${engine}, ${each.replyBytes} B, ${load}`, 'us CPU', each.cpuUsPerRequest);
  }
  for (const { client, shape, ...each } of parts.redis ?? []) {
    collect(`redis: ${shape}, ${client}`, 'us CPU', each.cpuUs);
    collect(`redis: ${shape}, ${client}, p50`, 'us', each.p50Us);
  }
  for (const each of parts.shards ?? []) {
    collect(`shards: ${each.workload}, ${each.shards}`, 'us CPU', each.cpuUsPerRequest);
  }
  for (const each of parts.workers ?? []) {
    collect(`workers: ${each.workload}, ${each.workers}`, 'requests/s', each.requestsPerSecond);
  }
}

function collectState(parts: Partial<Parts>, collect: Collect): void {
  for (const { way, rowsPerRequest, concurrency, ...each } of parts.writes ?? []) {
    const name = `writes: ${way}, ${rowsPerRequest} x ${concurrency}`;
    collect(name, 'rows/s', each.rowsPerSecond);
    collect(name, 'us CPU', each.cpuUsPerRow);
  }
  for (const each of parts.materialize ?? []) {
    collect(`materialize: ${each.store}, ${each.rows} rows`, 's', each.sideboard.jobSeconds);
  }
  for (const each of parts.cold ?? []) {
    collect('cold: start', 'ms', each.startMs);
    collect('cold: first request', 'ms', each.firstRequestMs);
  }
  for (const each of parts.registry ?? []) {
    collect('registry: p99 while it changes', 'ms', each.reloading.p99Ms);
  }
  collect('memory: at start', 'MiB', parts.memory?.atStartMiB);
  collect('memory: after load', 'MiB', parts.memory?.afterLoadMiB);
  collect('soak: at the end', 'MiB', parts.soak?.samples.at(-1)?.rssMiB);
}
