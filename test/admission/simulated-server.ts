import { createAdmissionGate, type AdmissionOptions } from '../../src/admission/admission-gate.ts';
import type { Entrant, PlaceInLine } from '../../src/admission/waiting-line.ts';

/** What a simulated server is like; milliseconds. */
export interface ServerModel {
  /** One core: what a request costs before the store and after it, and what a refusal costs. */
  readonly cpuMs: readonly [before: number, after: number];
  readonly refusalMs: number;
  /** Time in the store, and how many the store answers at once (`Infinity` = it never queues). */
  readonly storeMs: (nowMs: number) => number;
  readonly storeParallel: number;
  /** The store has no core of its own: it and the server take turns. */
  readonly storeOnCore?: true;
  /** When the core is the server's again, if others have it at a moment; at once without it. */
  readonly coreAtMs?: (nowMs: number) => number;
}

/** Requests that arrive by chance. */
export interface Load {
  /** Requests per second at a moment. */
  readonly perSecond: (nowMs: number) => number;
  readonly durationMs: number;
  readonly seed: number;
  /** When a client that stumbles sends what was due at a moment; at once without it. */
  readonly sentAtMs?: (dueAtMs: number) => number;
}

/** One request that was answered. */
export interface Answered {
  readonly arrivedAtMs: number;
  /** From its arrival, when nobody has read it yet, to its answer. */
  readonly latencyMs: number;
}

export interface Outcome {
  readonly answered: readonly Answered[];
  readonly refusedCount: number;
  /** Of those that had to wait for their turn. */
  readonly mostWaiting: number;
  /** Of those that were in work. */
  readonly mostInWork: number;
}

/** As strict as it goes: nobody may wait for others for longer than a read takes. */
const STRICT = { latencyMs: 0, minRequests: 8, maxRequests: 1000, maxWaitingBytes: 1e6 };

/** A small generator (mulberry32), so that a run can be repeated. */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A queue by time, in a binary heap. */
class Agenda {
  private readonly heap: { atMs: number; run: () => void }[] = [];

  add(atMs: number, run: () => void): void {
    const { heap } = this;
    let i = heap.push({ atMs, run }) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (heap[parent]!.atMs <= heap[i]!.atMs) break;
      [heap[parent], heap[i]] = [heap[i]!, heap[parent]!];
      i = parent;
    }
  }

  next(): { atMs: number; run: () => void } | undefined {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    heap[0] = last;
    for (let i = 0; ;) {
      const left = 2 * i + 1;
      if (left >= heap.length) break;
      const right = left + 1;
      const child = right < heap.length && heap[right]!.atMs < heap[left]!.atMs ? right : left;
      if (heap[i]!.atMs <= heap[child]!.atMs) break;
      [heap[child], heap[i]] = [heap[i]!, heap[child]!];
      i = child;
    }
    return first;
  }
}

/** Runs a load against a server with one core and a store, in simulated time. */
export function simulate(
  model: ServerModel,
  load: Load,
  options: Omit<AdmissionOptions, 'busyMs' | 'later'> = STRICT,
): Outcome {
  const random = createRandom(load.seed);
  const agenda = new Agenda();
  const answered: Answered[] = [];
  let refusedCount = 0;
  let mostWaiting = 0;
  let inWork = 0;
  let mostInWork = 0;
  let cpuFreeAtMs = 0;
  let busyMs = 0;
  let nowMs = 0;
  const gate = createAdmissionGate(
    {
      ...options,
      busyMs: () => busyMs,
      later: (run, ms) => agenda.add(nowMs + ms, () => run(nowMs)),
    },
    0,
  );

  /** The core does one thing after the other, in the order in which they came. */
  const onCpu = (costMs: number, then: () => void): void => {
    const freeAtMs = Math.max(cpuFreeAtMs, nowMs);
    cpuFreeAtMs = (model.coreAtMs?.(freeAtMs) ?? freeAtMs) + costMs;
    agenda.add(cpuFreeAtMs, () => {
      busyMs += costMs;
      then();
    });
  };
  let storeBusy = 0;
  const storeQueue: (() => void)[] = [];
  const inStore = (then: () => void): void => {
    if (storeBusy >= model.storeParallel) {
      storeQueue.push(() => inStore(then));
      return;
    }
    storeBusy += 1;
    const tookMs = model.storeMs(nowMs) * (0.5 + random());
    const beganAtMs = model.storeOnCore === true ? Math.max(cpuFreeAtMs, nowMs) : nowMs;
    if (model.storeOnCore === true) cpuFreeAtMs = beganAtMs + tookMs;
    agenda.add(beganAtMs + tookMs, () => {
      storeBusy -= 1;
      storeQueue.shift()?.();
      then();
    });
  };
  const [beforeMs, afterMs] = model.cpuMs;
  const arrive = (): void => {
    const arrivedAtMs = nowMs;
    const letIn = (enteredAtMs: number): void => {
      inWork += 1;
      mostInWork = Math.max(mostInWork, inWork);
      onCpu(beforeMs, () =>
        inStore(() =>
          onCpu(afterMs, () => {
            inWork -= 1;
            answered.push({ arrivedAtMs, latencyMs: nowMs - arrivedAtMs });
            gate.leave(nowMs, enteredAtMs, true);
          }),
        ),
      );
    };
    const refuse = (): void => {
      refusedCount += 1;
      onCpu(model.refusalMs, () => {});
    };
    // It is looked at when the core comes to it.
    onCpu(0, () => {
      gate.enter(entrant({ letIn, refuse }), nowMs);
      mostWaiting = Math.max(mostWaiting, gate.waitingCount);
    });
  };
  const arriveAgain = (): void => {
    if (nowMs > load.durationMs) return;
    if (load.sentAtMs === undefined) arrive();
    else agenda.add(load.sentAtMs(nowMs), arrive);
    agenda.add(nowMs + (-Math.log(1 - random()) * 1000) / load.perSecond(nowMs), arriveAgain);
  };
  agenda.add(0, arriveAgain);
  for (let next = agenda.next(); next !== undefined; next = agenda.next()) {
    nowMs = next.atMs;
    next.run();
  }
  return { answered, refusedCount, mostWaiting, mostInWork };
}

/** Somebody who asks to be let in, of a hundred bytes. */
export function entrant(on: Pick<Entrant, 'letIn' | 'refuse'>, deadlineAtMs = Infinity): Entrant {
  const place: PlaceInLine | undefined = undefined;
  return { ...on, deadlineAtMs, messageBytes: 100, place };
}

/** The value below which that share of the sorted numbers is. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** p99 latency and answers per second of those that arrived in a stretch of time. */
export function between(
  { answered }: Outcome,
  fromMs: number,
  toMs: number,
): { p99Ms: number; perSecond: number } {
  const part = answered.filter(({ arrivedAtMs }) => arrivedAtMs >= fromMs && arrivedAtMs < toMs);
  return {
    p99Ms: quantile(
      part.map(({ latencyMs }) => latencyMs),
      0.99,
    ),
    perSecond: (part.length / (toMs - fromMs)) * 1000,
  };
}
