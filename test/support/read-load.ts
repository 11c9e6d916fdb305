import type { KnownEntity } from './fault-cluster.ts';
import { createRandom } from './random.ts';

/** A client that reads, as the load sees it. */
export interface KnownReader {
  /**
   * Reads the known fields of one entity.
   *
   * @returns their values, `null` for what is not there.
   * @throws where there is no answer; by the deadline at the latest, it is hoped.
   */
  read(entity: KnownEntity, deadlineAtMs: number): Promise<readonly (Uint8Array | null)[]>;
}

export interface LoadOptions {
  readonly ratePerSecond: number;
  readonly timeoutMs: number;
  readonly entities: readonly KnownEntity[];
  /** Group of an entity: a window of errors is one in which no read of a group succeeded. */
  readonly groupOf: (entity: KnownEntity) => number;
  readonly seed?: number;
}

/** What became of the reads of a load. */
export interface LoadFigures {
  readonly reads: number;
  readonly errors: number;
  /** Message (without addresses and figures) -> how often. */
  readonly errorKinds: Readonly<Record<string, number>>;
  /** Answers that were not what was stored, missing values among them. */
  readonly wrong: number;
  /** Reads that ended more than 20 ms after their deadline, apart from what this process itself was late. */
  readonly late: number;
  readonly worstLatenessMs: number;
  /** From the first failed read of a group to the next that succeeded: the longest such time. */
  readonly longestWindowMs: number;
  /** Of reads that succeeded. */
  readonly p99Ms: number;
}

/** Reads that are sent by the clock, whether or not earlier ones were answered. */
export interface RunningLoad {
  /** Reads that failed within the last so many milliseconds, and all of them. */
  recent(ms: number): { readonly reads: number; readonly errors: number };
  /** Sends no more, waits for what is under way, and counts. */
  stop(): Promise<LoadFigures>;
}

interface Outcome {
  readonly group: number;
  readonly sentAtMs: number;
  readonly endedAtMs: number;
  /** `undefined` = right. */
  readonly problem: string | undefined;
  readonly isWrong: boolean;
  readonly latenessMs: number;
}

const TICK_MS = 5;
const LATE_MS = 20;
/** How far back the delays of this process excuse a late answer. */
const EXCUSE_MS = 250;

/** Starts the load; the first read is sent at the next tick. */
export function startLoad(reader: KnownReader, options: LoadOptions): RunningLoad {
  const { ratePerSecond, timeoutMs, entities, groupOf, seed = 1 } = options;
  const random = createRandom(seed);
  const outcomes: Outcome[] = [];
  const delays: { readonly atMs: number; readonly ms: number }[] = [];
  const underWay = new Set<Promise<void>>();
  const startedAtMs = performance.now();
  let sent = 0;
  let tickDueAtMs = startedAtMs + TICK_MS;

  const read = async (entity: KnownEntity): Promise<void> => {
    const sentAtMs = performance.now();
    const deadlineAtMs = sentAtMs + timeoutMs;
    let problem: string | undefined;
    let isWrong = false;
    try {
      const cells = await reader.read(entity, deadlineAtMs);
      isWrong = !isRight(cells, entity);
      if (isWrong) problem = 'wrong value';
    } catch (error) {
      problem = kindOf(error);
    }
    const endedAtMs = performance.now();
    const ownDelayMs = longestDelay(delays, deadlineAtMs - EXCUSE_MS, endedAtMs - tickDueAtMs);
    const latenessMs = Math.max(0, endedAtMs - deadlineAtMs - ownDelayMs);
    const group = groupOf(entity);
    outcomes.push({ group, sentAtMs, endedAtMs, problem, isWrong, latenessMs });
  };

  const tick = (): void => {
    const nowMs = performance.now();
    delays.push({ atMs: nowMs, ms: nowMs - tickDueAtMs });
    const due = Math.floor(((nowMs - startedAtMs) * ratePerSecond) / 1000);
    for (; sent < due; sent++) {
      const reading = read(random.pick(entities)).finally(() => underWay.delete(reading));
      underWay.add(reading);
    }
    tickDueAtMs = nowMs + TICK_MS;
    timer = setTimeout(tick, TICK_MS);
  };
  let timer = setTimeout(tick, TICK_MS);
  return {
    recent(ms) {
      const fromMs = performance.now() - ms;
      const ended = outcomes.filter(({ endedAtMs }) => endedAtMs >= fromMs);
      const errors = ended.filter(({ problem }) => problem !== undefined).length;
      return { reads: ended.length, errors };
    },
    async stop() {
      clearTimeout(timer);
      await Promise.all(underWay);
      return countUp(outcomes);
    },
  };
}

function isRight(cells: readonly (Uint8Array | null)[], { cells: expected }: KnownEntity): boolean {
  return (
    cells.length === expected.length &&
    cells.every((cell, i) => cell !== null && Buffer.compare(cell, expected[i]!) === 0)
  );
}

/** The longest that this process kept a timer waiting since `fromMs`, the one that is due included. */
function longestDelay(
  delays: readonly { readonly atMs: number; readonly ms: number }[],
  fromMs: number,
  pendingMs: number,
): number {
  let longest = pendingMs;
  for (let i = delays.length - 1; i >= 0 && delays[i]!.atMs >= fromMs; i--) {
    longest = Math.max(longest, delays[i]!.ms);
  }
  return longest;
}

function kindOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message
    .replaceAll(/\b[\w.-]+:\d+\b/g, 'ADDRESS')
    .replaceAll(/\d+/g, 'N')
    .slice(0, 100);
}

function countUp(outcomes: readonly Outcome[]): LoadFigures {
  const failed = outcomes.filter(({ problem }) => problem !== undefined);
  const errorKinds: Record<string, number> = {};
  for (const { problem = '' } of failed) errorKinds[problem] = (errorKinds[problem] ?? 0) + 1;
  const times = outcomes
    .filter(({ problem }) => problem === undefined)
    .map(({ sentAtMs, endedAtMs }) => endedAtMs - sentAtMs)
    .sort((a, b) => a - b);
  return {
    reads: outcomes.length,
    errors: failed.length,
    errorKinds,
    wrong: outcomes.filter(({ isWrong }) => isWrong).length,
    late: outcomes.filter(({ latenessMs }) => latenessMs > LATE_MS).length,
    worstLatenessMs: Math.max(0, ...outcomes.map(({ latenessMs }) => latenessMs)),
    longestWindowMs: longestWindow(outcomes),
    p99Ms: times[Math.floor(times.length * 0.99)] ?? Number.NaN,
  };
}

function longestWindow(outcomes: readonly Outcome[]): number {
  let longest = 0;
  for (const ofGroup of Map.groupBy(outcomes, ({ group }) => group).values()) {
    const inOrder = ofGroup.toSorted((a, b) => a.sentAtMs - b.sentAtMs);
    let failingSinceMs: number | undefined;
    for (const { problem, sentAtMs, endedAtMs } of inOrder) {
      if (problem === undefined) {
        if (failingSinceMs !== undefined) longest = Math.max(longest, sentAtMs - failingSinceMs);
        failingSinceMs = undefined;
      } else {
        failingSinceMs ??= sentAtMs;
        // One that fails at last counts until its end.
        longest = Math.max(longest, endedAtMs - failingSinceMs);
      }
    }
  }
  return longest;
}
