import { readFileSync } from 'node:fs';
import { Session, type HeapProfiler } from 'node:inspector/promises';
import { Redis } from 'ioredis';
import { entityIds, references } from '../data/official-layout.ts';
import { storedFields, storedKey } from '../data/stored-hash.ts';
import { openReadClient, type ReadClient, type ReadClientName } from './redis-read-clients.ts';
import { openFeatureClient } from './redis-read-features.ts';
import { percentile } from '../report/spread.ts';

/** What one process measures; its only argument, as JSON. */
export interface ReadTask {
  readonly client: ReadClientName | 'sideboard, to the response';
  readonly repoPath: string;
  readonly port: number;
  readonly entities: number;
  readonly rows: number;
  readonly features: number;
  /** View of the official layout that the features begin with. */
  readonly firstView: number;
  readonly seconds: number;
  /** Look at the heap, in a process whose heap is not collected meanwhile, instead of at the time. */
  readonly looksAtHeap: boolean;
}

/** What it printed, as JSON. */
export interface ReadFigures {
  /** Of this process, per read: user and system. */
  readonly cpuUs: number;
  /** Of Redis, per read. */
  readonly redisCpuUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** At half the rate of reads that follow each other, by the clock. */
  readonly halfLoadP99Us: number;
}

/** Of V8's heap, per read; memory outside of it not counted. */
export interface HeapFigures {
  readonly heapBytes: number;
  /** The same by V8's sampling heap profiler; absent in results of earlier days. */
  readonly sampledHeapBytes?: number;
}

const KEY_SETS = 30;
const SAMPLING_BYTES = 1024;
const SAMPLED_READS = 300;
/** Compiled, and the way of reading chosen. */
const WARM_UP_MS = 1_500;

async function measure(task: ReadTask): Promise<ReadFigures | HeapFigures> {
  const client = await open(task);
  await verify(client, task);
  let n = 0;
  const next = (): Promise<number> => client.read(n++ % KEY_SETS);
  await repeat(next, WARM_UP_MS);
  if (task.looksAtHeap) {
    return { heapBytes: await heapPerRead(next), sampledHeapBytes: await sampledHeapPerRead(next) };
  }
  const admin = new Redis({ host: '127.0.0.1', port: task.port });
  const redisBeforeUs = await cpuOfRedisUs(admin);
  const cpu = process.cpuUsage();
  const latencies = await repeat(next, task.seconds * 1_000);
  const { user, system } = process.cpuUsage(cpu);
  const redisUs = (await cpuOfRedisUs(admin)) - redisBeforeUs;
  admin.disconnect();
  const medianMs = percentile(latencies, 0.5);
  const halfLoad = await byTheClock(next, 2 * medianMs, task.seconds * 1_000);
  return {
    cpuUs: (user + system) / latencies.length,
    redisCpuUs: redisUs / latencies.length,
    p50Us: medianMs * 1_000,
    p99Us: percentile(latencies, 0.99) * 1_000,
    halfLoadP99Us: percentile(halfLoad, 0.99) * 1_000,
  };
}

function open(task: ReadTask): Promise<ReadClient> {
  const { client, port, rows, features, firstView, entities } = task;
  const idSets = Array.from({ length: KEY_SETS }, (_, n) => entityIds(rows, n, entities));
  const wanted = references(features, firstView);
  if (client === 'sideboard, to the response') {
    return openFeatureClient(task.repoPath, wanted, idSets);
  }
  return openReadClient(client, {
    port,
    keySets: idSets.map((ids) => ids.map(storedKey)),
    fields: storedFields(wanted),
  });
}

async function cpuOfRedisUs(admin: Redis): Promise<number> {
  const info = await admin.info('cpu');
  const seconds = (name: string): number => Number(new RegExp(`${name}:([\\d.]+)`).exec(info)?.[1]);
  return 1e6 * (seconds('used_cpu_user') + seconds('used_cpu_sys'));
}

/** A client that is quick because it finds nothing is not measured. */
async function verify(client: ReadClient, { rows, features }: ReadTask): Promise<void> {
  const found = await client.read(0);
  if (found < rows * features)
    throw new Error(`${found} values where ${rows * features} are stored`);
}

/** One read after the other for so long; latencies in milliseconds. */
async function repeat(read: () => Promise<number>, durationMs: number): Promise<number[]> {
  const latencies: number[] = [];
  const untilMs = performance.now() + durationMs;
  for (let nowMs = performance.now(); nowMs < untilMs;) {
    await read();
    const endedMs = performance.now();
    latencies.push(endedMs - nowMs);
    nowMs = endedMs;
  }
  return latencies;
}

/** A read every so many milliseconds, whether or not the earlier ones have ended; latencies from when each was due. */
async function byTheClock(
  read: () => Promise<number>,
  intervalMs: number,
  durationMs: number,
): Promise<number[]> {
  const latencies: number[] = [];
  const pending: Promise<void>[] = [];
  const startedAtMs = performance.now();
  const one = async (dueAtMs: number): Promise<void> => {
    await read();
    latencies.push(performance.now() - dueAtMs);
  };
  for (let i = 0; i * intervalMs < durationMs; i++) {
    const dueAtMs = startedAtMs + i * intervalMs;
    while (performance.now() < dueAtMs) await new Promise(setImmediate);
    pending.push(one(dueAtMs));
  }
  await Promise.all(pending);
  return latencies;
}

/** How the heap grows with reads while nothing is collected. */
async function heapPerRead(read: () => Promise<number>): Promise<number> {
  const { gc } = globalThis;
  if (gc === undefined) return Number.NaN;
  const reads = 20;
  const growth: number[] = [];
  for (let round = 0; round < 7; round++) {
    gc();
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < reads; i++) await read();
    growth.push((process.memoryUsage().heapUsed - before) / reads);
  }
  return percentile(growth, 0.5);
}

/** What V8's sampling heap profiler finds allocated by a read, collected or not. */
async function sampledHeapPerRead(read: () => Promise<number>): Promise<number> {
  const session = new Session();
  session.connect();
  await session.post('HeapProfiler.startSampling', {
    samplingInterval: SAMPLING_BYTES,
    includeObjectsCollectedByMajorGC: true,
    includeObjectsCollectedByMinorGC: true,
  });
  for (let i = 0; i < SAMPLED_READS; i++) await read();
  const { profile } = await session.post('HeapProfiler.stopSampling');
  session.disconnect();
  return sizeBelow(profile.head) / SAMPLED_READS;
}

function sizeBelow(node: HeapProfiler.SamplingHeapProfileNode): number {
  return node.children.reduce((sum, child) => sum + sizeBelow(child), node.selfSize);
}

const task = JSON.parse(readFileSync(0, 'utf8')) as ReadTask;
process.stdout.write(JSON.stringify(await measure(task)));
process.exit(0);
