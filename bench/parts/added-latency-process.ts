import { PerformanceObserver, type PerformanceEntry } from 'node:perf_hooks';
import { hashFeatureField, timestampField } from '../../src/feast-encoding/hash-field.ts';
import { serializeEntityKey } from '../../src/feast-encoding/entity-key.ts';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import { nodeRuntime } from '../../src/redis/node-runtime.ts';
import type { RedisRuntime } from '../../src/redis/redis-runtime.ts';
import { JOIN_KEY, PROJECT, entityIds, references } from '../data/official-layout.ts';
import { percentile } from '../report/spread.ts';
import { openReadClient, type ReadClient } from './redis-read-clients.ts';

/** What the parent asks for, one message after the other; the first one opens the client. */
export type AddedMessage =
  | {
      readonly kind: 'open';
      readonly client: 'sideboard' | 'bare socket';
      readonly port: number;
      readonly entities: number;
      readonly features: number;
    }
  | { readonly kind: 'warm up'; readonly forMs: number }
  | { readonly kind: 'play'; readonly intervalMs: number; readonly forMs: number };

/** Reads by the clock for a while; all arrays are aligned. */
export interface AddedBlock {
  /** Microseconds from when a read was due to its answer. */
  readonly fromDueUs: readonly number[];
  /** From when it began: what lies before is the machine's, or the garbage collector's. */
  readonly fromBeginUs: readonly number[];
  /** Between its beginning and its command's being written, and between its reply's arrival and its answer; empty for the bare socket. */
  readonly ownUs: readonly number[];
  /** Whether a garbage collection fell into it. */
  readonly isInGc: readonly boolean[];
  readonly gcMs: readonly number[];
  /** Of the block's time that this thread had the core, which it never let go of by itself. */
  readonly coreShare: number;
}

const KEY_SETS = 200;

/** When bytes last arrived. */
const arrival = { atMs: 0 };

/** The real runtime, watched. */
const watchedRuntime: RedisRuntime = {
  ...nodeRuntime,
  connect(target, handlers) {
    const socket = nodeRuntime.connect(target, {
      ...handlers,
      onConnect: () => handlers.onConnect(),
      receiveBuffer: () => handlers.receiveBuffer(),
      onReceive(byteCount) {
        arrival.atMs = performance.now();
        handlers.onReceive(byteCount);
      },
      onClose: (error) => handlers.onClose(error),
    });
    return {
      write(bytes, onWritten) {
        socket.write(bytes, onWritten);
        const nowMs = performance.now();
        for (const read of unwritten) read.ownUs += us(nowMs - read.beganAtMs);
        unwritten.length = 0;
      },
      destroy: () => socket.destroy(),
    };
  },
};

interface Read {
  readonly dueAtMs: number;
  readonly beganAtMs: number;
  ownUs: number;
  endedAtMs: number;
}

/** Reads whose command has not been written. */
const unwritten: Read[] = [];

let client: ReadClient;
let isOurs = false;
let turn = 0;
const pauses: { readonly startMs: number; readonly endMs: number }[] = [];
const observer = new PerformanceObserver((list) => notePauses(list.getEntries()));
observer.observe({ entryTypes: ['gc'] });

function notePauses(entries: readonly PerformanceEntry[]): void {
  for (const { startTime, duration } of entries) {
    pauses.push({ startMs: startTime, endMs: startTime + duration });
  }
}

async function open({
  client: name,
  port,
  entities,
  features,
}: AddedMessage & { readonly kind: 'open' }): Promise<void> {
  const pairs = references(features, 0).map((each) => each.split(':') as [string, string]);
  const views = new Set(pairs.map(([view]) => view));
  const keyOf = (id: number): Buffer =>
    Buffer.concat([
      serializeEntityKey([JOIN_KEY], [{ type: ValueType.INT64, value: BigInt(id) }], 3),
      Buffer.from(PROJECT),
    ]);
  isOurs = name === 'sideboard';
  client = await openReadClient(name, {
    port,
    runtime: watchedRuntime,
    keySets: Array.from({ length: KEY_SETS }, (_, n) => entityIds(1, n, entities).map(keyOf)),
    fields: [
      ...pairs.map(([view, feature]) => Buffer.from(hashFeatureField(view, feature))),
      ...[...views].map((view) => Buffer.from(timestampField(view))),
    ],
  });
  const found = await client.read(0);
  if (found < features) throw new Error(`${found} values where ${features} are stored`);
}

/** One read after the other. @returns the median in milliseconds. */
async function warmUp(forMs: number): Promise<number> {
  const latencies: number[] = [];
  const untilMs = performance.now() + forMs;
  for (let nowMs = performance.now(); nowMs < untilMs;) {
    await client.read(turn++ % KEY_SETS);
    const endedMs = performance.now();
    latencies.push(endedMs - nowMs);
    nowMs = endedMs;
  }
  return percentile(latencies, 0.5);
}

/** A read every so many milliseconds, whether or not earlier ones have ended. */
async function play(intervalMs: number, forMs: number): Promise<AddedBlock> {
  const reads: Read[] = [];
  const pending: Promise<void>[] = [];
  pauses.length = 0;
  unwritten.length = 0;
  const startedCpuUs = cpuUs();
  const startedAtMs = performance.now();
  const one = async (dueAtMs: number): Promise<void> => {
    const beganAtMs = performance.now();
    const read = { dueAtMs, beganAtMs, ownUs: 0, endedAtMs: 0 };
    if (isOurs) unwritten.push(read);
    await client.read(turn++ % KEY_SETS);
    read.endedAtMs = performance.now();
    read.ownUs += us(read.endedAtMs - arrival.atMs);
    reads.push(read);
  };
  for (let i = 0; i * intervalMs < forMs; i++) {
    const dueAtMs = startedAtMs + i * intervalMs;
    while (performance.now() < dueAtMs) await new Promise(setImmediate);
    pending.push(one(dueAtMs));
  }
  const coreShare = (cpuUs() - startedCpuUs) / us(performance.now() - startedAtMs);
  await Promise.all(pending);
  await new Promise((resolve) => setTimeout(resolve, 20));
  notePauses(observer.takeRecords());
  return {
    fromDueUs: reads.map(({ dueAtMs, endedAtMs }) => us(endedAtMs - dueAtMs)),
    fromBeginUs: reads.map(({ beganAtMs, endedAtMs }) => us(endedAtMs - beganAtMs)),
    ownUs: isOurs ? reads.map(({ ownUs }) => ownUs) : [],
    isInGc: reads.map(({ dueAtMs, endedAtMs }) =>
      pauses.some(({ startMs, endMs }) => startMs < endedAtMs && endMs > dueAtMs),
    ),
    gcMs: pauses.map(({ startMs, endMs }) => endMs - startMs),
    coreShare,
  };
}

/** Of this thread so far, microseconds. */
function cpuUs(): number {
  const { user, system } = process.threadCpuUsage();
  return user + system;
}

function us(ms: number): number {
  return Math.round(ms * 100_000) / 100;
}

async function answer(message: AddedMessage): Promise<unknown> {
  switch (message.kind) {
    case 'open':
      return open(message);
    case 'warm up':
      return warmUp(message.forMs);
    default:
      return play(message.intervalMs, message.forMs);
  }
}

process.on('message', (message: AddedMessage) => {
  answer(message).then(
    (result) => process.send!({ result }),
    (error: unknown) => process.send!({ error: String(error) }),
  );
});
process.on('disconnect', () => process.exit(0));
