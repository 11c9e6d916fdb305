import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/load-config.ts';
import { createRandom } from '../../test/support/random.ts';
import type { SeededRepo } from '../data/seed.ts';
import type { Cores } from '../machine/processes.ts';
import { percentile } from '../report/spread.ts';
import type { AddedBlock, AddedMessage } from './added-latency-process.ts';

/** A quantile of reads through our client over the same of bare ones, microseconds. */
export interface AddedQuantile {
  readonly share: number;
  readonly oursUs: number;
  readonly bareUs: number;
  readonly addedUs: number;
  /** In which the difference lies with a likelihood of 95 %, by drawing pairs of blocks again and again. */
  readonly fromUs: number;
  readonly toUs: number;
}

/** What our client adds to bare round trips at half load. */
export interface AddedLatencyFigures {
  readonly intervalUs: number;
  /** Pairs of blocks in which both had the core to themselves; the others are left out. */
  readonly pairs: number;
  readonly disturbedPairs: number;
  /** Whether the pairs that are left are enough; else the figures are of all, and only say that it was measured. */
  readonly isSound: boolean;
  readonly reads: number;
  /** From when a read was due. */
  readonly fromDue: readonly AddedQuantile[];
  /** From when it began, so without what kept the process from beginning. */
  readonly fromBegin: readonly AddedQuantile[];
  /** Of those into which no garbage collection fell, from when they were due. */
  readonly withoutGc: readonly AddedQuantile[];
  /** Spent in our client: from a read's beginning to its command's being written, and from the reply's arrival to the answer. */
  readonly own: OwnTime;
  readonly gc: { readonly count: number; readonly totalMs: number; readonly longestMs: number };
}

interface OwnTime {
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
}

export interface AddedLatencyOptions {
  readonly repo: SeededRepo;
  readonly entities: number;
  readonly seconds: number;
  readonly cores: Cores;
  readonly say: (text: string) => void;
}

const NODE = join(import.meta.dirname, '..', '..', 'node_modules', '.bin', 'node');
const PROCESS = join(import.meta.dirname, 'added-latency-process.ts');
const FEATURES = 50;
const WARM_UP_MS = 2_000;
const BLOCK_MS = 100;
/** Told in ticks of some milliseconds by some kernels. A process that had less of its core was disturbed by others, and the pair says nothing of either. */
const UNDISTURBED_SHARE = 0.95;
/** With fewer of them the figures are those of a machine that was busy with something else. */
const MIN_PAIRS = 10;
/** Pairs of blocks for each second that a measurement lasts. */
const PAIRS_PER_SECOND = 40;
/** On a machine that has no time for it, blocks last longer; it ends with fewer of them. */
const MOST_TIMES_LONGER = 2;
const DRAWS = 200;
const SHARES = [0.5, 0.99];

/**
 * Reads of 1x50 at half load, bare and through our client, by turns: two processes on one core, each of which reads for a tenth
 * of a second while the other one waits. What the machine does meanwhile meets both alike; how much of it does not is told by
 * the interval of the difference.
 */
export async function measureAddedLatency(
  options: AddedLatencyOptions,
): Promise<AddedLatencyFigures> {
  const { repo, entities, seconds, cores, say } = options;
  const { onlineStore } = loadConfig({ repoPath: repo.path, env: {} });
  if (onlineStore.kind === 'sqlite') throw new Error('the repository of the benchmark is on Redis');
  const { port } = onlineStore.nodes[0]!;
  const open = { kind: 'open', port, entities, features: FEATURES } as const;
  const [ours, bare] = [startReader(cores.server), startReader(cores.server)];
  try {
    await ask(bare, { ...open, client: 'bare socket' });
    await ask(ours, { ...open, client: 'sideboard' });
    await ask(bare, { kind: 'warm up', forMs: WARM_UP_MS });
    const medianMs = await ask<number>(ours, { kind: 'warm up', forMs: WARM_UP_MS });
    const intervalMs = 2 * medianMs;
    const play = { kind: 'play', intervalMs, forMs: BLOCK_MS } as const;
    const pairs: Pair[] = [];
    const count = Math.ceil(PAIRS_PER_SECOND * seconds);
    // The first pair is for both to get going.
    const giveUpAtMs = performance.now() + MOST_TIMES_LONGER * 2 * count * BLOCK_MS;
    for (let i = 0; i <= count && (pairs.length === 0 || performance.now() < giveUpAtMs); i++) {
      const isOursFirst = i % 2 === 0;
      const first = await ask<AddedBlock>(isOursFirst ? ours : bare, play);
      const second = await ask<AddedBlock>(isOursFirst ? bare : ours, play);
      if (i > 0)
        pairs.push(isOursFirst ? { ours: first, bare: second } : { ours: second, bare: first });
    }
    const shareOf = (pair: Pair): number => Math.min(pair.ours.coreShare, pair.bare.coreShare);
    const sound = pairs.filter((pair) => shareOf(pair) >= UNDISTURBED_SHARE);
    const isSound = sound.length >= MIN_PAIRS;
    if (!isSound) {
      const share = (100 * percentile(pairs.map(shareOf), 0.5)).toFixed(0);
      say(
        `NOT SOUND: ${sound.length} of ${pairs.length} pairs of blocks were undisturbed, others took the core: the middle one had ${share} % of it`,
      );
    }
    const figures = {
      ...compare(isSound ? sound : pairs, intervalMs),
      disturbedPairs: pairs.length - sound.length,
      isSound,
    };
    const p99 = figures.fromDue.at(-1)!;
    say(
      `1x50 at half load: p99 ${p99.addedUs.toFixed(0)} us over the bare one (${p99.fromUs.toFixed(0)} to ${p99.toUs.toFixed(0)}), in our client p99 ${figures.own.p99Us.toFixed(0)} us`,
    );
    return figures;
  } finally {
    await Promise.all([ours, bare].map(stop));
  }
}

interface Pair {
  readonly ours: AddedBlock;
  readonly bare: AddedBlock;
}

/** @param pairs at least one. */
function compare(
  pairs: readonly Pair[],
  intervalMs: number,
): Omit<AddedLatencyFigures, 'disturbedPairs' | 'isSound'> {
  const own = pairs.flatMap(({ ours }) => ours.ownUs);
  const gcMs = pairs.flatMap(({ ours }) => ours.gcMs);
  const quiet = ({ fromDueUs, isInGc }: AddedBlock): readonly number[] =>
    fromDueUs.filter((_, i) => isInGc[i] !== true);
  return {
    intervalUs: intervalMs * 1_000,
    pairs: pairs.length,
    reads: own.length,
    fromDue: SHARES.map((share) => addedAt(pairs, share, ({ fromDueUs }) => fromDueUs)),
    fromBegin: SHARES.map((share) => addedAt(pairs, share, ({ fromBeginUs }) => fromBeginUs)),
    withoutGc: SHARES.map((share) => addedAt(pairs, share, quiet)),
    own: ownTime(own),
    gc: {
      count: gcMs.length,
      totalMs: gcMs.reduce((sum, ms) => sum + ms, 0),
      longestMs: Math.max(0, ...gcMs),
    },
  };
}

function ownTime(timesUs: readonly number[]): OwnTime {
  return {
    p50Us: percentile(timesUs, 0.5),
    p99Us: percentile(timesUs, 0.99),
    p999Us: percentile(timesUs, 0.999),
  };
}

/** The difference of a quantile, and how sure it is: pairs are drawn with repetition, as the machine could have served them. */
function addedAt(
  pairs: readonly Pair[],
  share: number,
  timesOf: (block: AddedBlock) => readonly number[],
): AddedQuantile {
  const blocks = pairs.map(({ ours, bare }) => ({
    ours: Float64Array.from(timesOf(ours)),
    bare: Float64Array.from(timesOf(bare)),
  }));
  const quantile = (of: 'ours' | 'bare', drawn: typeof blocks): number =>
    quantileOf(
      drawn.map((block) => block[of]),
      share,
    );
  const random = createRandom(1);
  const differences = Array.from({ length: DRAWS }, () => {
    const drawn = blocks.map(() => random.pick(blocks));
    return quantile('ours', drawn) - quantile('bare', drawn);
  });
  const [oursUs, bareUs] = [quantile('ours', blocks), quantile('bare', blocks)];
  return {
    share,
    oursUs,
    bareUs,
    addedUs: oursUs - bareUs,
    fromUs: percentile(differences, 0.025),
    toUs: percentile(differences, 0.975),
  };
}

/** Of all of them together. */
function quantileOf(parts: readonly Float64Array[], share: number): number {
  const all = new Float64Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  all.sort();
  return all[Math.min(all.length - 1, Math.floor(share * all.length))] ?? Number.NaN;
}

interface Reader {
  readonly process: ChildProcess;
  /** Rejects when the process ended. */
  readonly gone: Promise<never>;
}

function startReader(core: number): Reader {
  const flags = ['--disable-warning=ExperimentalWarning', PROCESS];
  const reader = spawn('taskset', ['-c', String(core), NODE, ...flags], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const gone = once(reader, 'exit').then((): never => {
    throw new Error('a reader of the benchmark ended');
  });
  gone.catch(() => {});
  return { process: reader, gone };
}

async function ask<Result = void>(reader: Reader, message: AddedMessage): Promise<Result> {
  const answered = once(reader.process, 'message');
  reader.process.send(message);
  const [answer] = (await Promise.race([answered, reader.gone])) as [
    { readonly result?: unknown; readonly error?: string },
  ];
  if (answer.error !== undefined) throw new Error(answer.error);
  return answer.result as Result;
}

async function stop({ process: reader, gone }: Reader): Promise<void> {
  if (reader.connected) reader.disconnect();
  await gone.catch(() => {});
}
