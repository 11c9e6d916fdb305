import { describe, expect, test } from 'vitest';
import { ConcurrencyLimit } from '../../src/admission/concurrency-limit.ts';
import { between, quantile, simulate, type ServerModel } from './simulated-server.ts';

/** The machine that simulates may be busy. */
const SLOW = { timeout: 30_000 };

/** What holds a server back, and how many requests per second it can answer. */
const MODELS: readonly [name: string, model: ServerModel, capacity: number][] = [
  [
    'large reads on one core',
    { cpuMs: [0.6, 1.2], refusalMs: 0.005, storeMs: () => 1, storeParallel: Infinity },
    1000 / 1.8,
  ],
  [
    'very large reads on one core',
    { cpuMs: [5, 15], refusalMs: 0.005, storeMs: () => 5, storeParallel: Infinity },
    50,
  ],
  [
    'a store that answers eight at a time',
    { cpuMs: [0.02, 0.025], refusalMs: 0.002, storeMs: () => 2, storeParallel: 8 },
    4000,
  ],
];
/** Small reads: a refusal is not much cheaper than an answer, so goodput is what refusing leaves. */
const SMALL: ServerModel = {
  cpuMs: [0.02, 0.025],
  refusalMs: 0.002,
  storeMs: () => 0.15,
  storeParallel: Infinity,
};
const SMALL_CAPACITY = 1000 / 0.045;
const BY_DEFAULT = { latencyMs: 100, minRequests: 64, maxRequests: 1000, maxWaitingBytes: 1e6 };

/** Large reads that Redis, which does one thing after the other, is busier with than the process. */
const STORE_BOUND: ServerModel = {
  cpuMs: [0.15, 0.26],
  refusalMs: 0.005,
  storeMs: () => 1.3,
  storeParallel: 1,
};
const STORE_BOUND_CAPACITY = 1000 / 1.3;
/** As who measures an overload sets it. */
const HURRIED = { latencyMs: 2, minRequests: 4, maxRequests: 1000, maxWaitingBytes: 1e6 };

/** p99 at half load, and what a step to `factor` times capacity does, once it has lasted 1.5 s. */
function step(model: ServerModel, capacity: number, factor: number) {
  const durationMs = capacity < 100 ? 30_000 : 6_000;
  const half = simulate(model, { perSecond: () => capacity / 2, durationMs, seed: 1 });
  const stepped = simulate(model, {
    perSecond: (nowMs) => (nowMs < 2000 ? capacity / 2 : capacity * factor),
    durationMs,
    seed: 2,
  });
  const settled = between(stepped, 3500, durationMs);
  return {
    slower: settled.p99Ms / between(half, 1000, durationMs).p99Ms,
    goodput: settled.perSecond / capacity,
  };
}

describe.each(MODELS)('%s', SLOW, (_name, model, capacity) => {
  const isVeryLarge = capacity < 100;

  test.each([0.5, 0.7, 0.9])('at %d times capacity nobody is refused', (share) => {
    const durationMs = 10_000;
    const below = simulate(model, { perSecond: () => capacity * share, durationMs, seed: 3 });
    // Of large ones a few are a burst of a tenth of a second already.
    expect(below.refusedCount / below.answered.length).toBeLessThan(isVeryLarge ? 0.1 : 0.02);
  });

  test.each([1.5, 2, 5, 10])(
    'at %d times capacity goodput stays, and who is let in is fast',
    (factor) => {
      const { slower, goodput } = step(model, capacity, factor);
      expect(goodput).toBeGreaterThan(0.9);
      expect(slower).toBeLessThan(isVeryLarge ? 3 : 2.2);
    },
  );
});

describe.each([1.5, 2, 5, 10])('at %d times what a store can do', SLOW, (factor) => {
  test('reads wait outside, and the store is busy all the same', () => {
    const perSecond = (nowMs: number): number =>
      STORE_BOUND_CAPACITY * (nowMs < 2000 ? 0.5 : factor);
    const outcome = simulate(STORE_BOUND, { perSecond, durationMs: 6000, seed: 21 }, HURRIED);
    const settled = between(outcome, 2500, 6000);
    expect(settled.perSecond).toBeGreaterThan(0.95 * STORE_BOUND_CAPACITY);
    expect(settled.p99Ms).toBeLessThan(2 * between(outcome, 0, 2000).p99Ms);
    // Before the overload was known as one, too.
    expect(between(outcome, 2000, 2500).p99Ms).toBeLessThan(110);
  });
});

test.each([1.5, 2, 5, 10])(
  'at %d times what one core can do for server and store who is let in is as fast as before',
  SLOW,
  (factor) => {
    const model: ServerModel = { ...STORE_BOUND, storeOnCore: true };
    const capacity = 1000 / (0.15 + 0.26 + 1.3);
    const perSecond = (nowMs: number): number => capacity * (nowMs < 2000 ? 0.5 : factor);
    const slower = Array.from({ length: 12 }, (_, seed) => {
      const outcome = simulate(model, { perSecond, durationMs: 6000, seed }, HURRIED);
      const settled = between(outcome, 2500, 6000);
      expect(settled.perSecond).toBeGreaterThan(0.94 * capacity);
      return settled.p99Ms / between(outcome, 0, 2000).p99Ms;
    });
    // A line of one or two, again and again, is no reason to think that more could be answered.
    expect(quantile(slower, 0.8)).toBeLessThan(1.5);
  },
);

test(
  'at twice capacity of a client that sends what is due every 10 ms the wait is as asked for',
  SLOW,
  () => {
    const sentAtMs = (dueAtMs: number): number => Math.ceil(dueAtMs / 10) * 10;
    const perSecond = (): number => SMALL_CAPACITY * 2;
    const outcome = simulate(SMALL, { perSecond, durationMs: 2000, seed: 23, sentAtMs }, HURRIED);
    expect(between(outcome, 1000, 2000).p99Ms).toBeLessThan(10);
  },
);

test(
  'a server that pauses now and then, and has time to make up for it, refuses nobody',
  SLOW,
  () => {
    // As for a garbage collection, or for another process on the core of the store.
    const storeMs = (nowMs: number): number => Math.max(20 - (nowMs % 300), 0.15);
    const outcome = simulate(
      { ...SMALL, storeMs },
      { perSecond: () => SMALL_CAPACITY * 0.8, durationMs: 5000, seed: 11 },
      { ...BY_DEFAULT, latencyMs: 0 },
    );
    expect(outcome.refusedCount).toBe(0);
  },
);

test.each([0.5, 0.8, 0.9])(
  'a server that has its core for half of the time refuses nobody at %d times what is left of it',
  SLOW,
  (share) => {
    // Others have it for 30 ms, again and again.
    const coreAtMs = (nowMs: number): number =>
      nowMs % 60 < 30 ? nowMs - (nowMs % 60) + 30 : nowMs;
    const outcome = simulate(
      { ...SMALL, coreAtMs },
      { perSecond: () => 0.5 * share * SMALL_CAPACITY, durationMs: 5000, seed: 24 },
      HURRIED,
    );
    expect(outcome.refusedCount / outcome.answered.length).toBeLessThan(0.01);
  },
);

test('an overload ends though the store stands still now and then, at uneven times', SLOW, () => {
  const storeMs = (nowMs: number): number => {
    const turn = Math.floor(nowMs / 60);
    const sinceMs = nowMs - turn * 60 - (((turn * 7919) % 13) / 13) * 45;
    return sinceMs >= 0 && sinceMs < 15 ? Math.max(15 - sinceMs, 0.15) : 0.15;
  };
  const outcome = simulate(
    { ...SMALL, storeMs },
    {
      perSecond: (nowMs) => SMALL_CAPACITY * (nowMs > 500 && nowMs < 1000 ? 3 : 0.5),
      durationMs: 4000,
      seed: 5,
    },
    HURRIED,
  );
  expect(between(outcome, 2000, 4000).perSecond).toBeGreaterThan(0.48 * SMALL_CAPACITY);
});

test('small reads: goodput is what the refusals leave of the core', { timeout: 30_000 }, () => {
  const outcome = simulate(SMALL, {
    perSecond: () => SMALL_CAPACITY * 5,
    durationMs: 2000,
    seed: 3,
  });
  const left = 1 - 4 * (SMALL.refusalMs / 0.045);
  expect(between(outcome, 500, 2000).perSecond).toBeGreaterThan(0.95 * left * SMALL_CAPACITY);
});

describe('what a request costs', () => {
  /** A limit that has seen small requests one by one: alone one takes 1 ms, of which it costs 0.05. */
  const afterSmallOnes = () => {
    let busyMs = 0;
    let nowMs = 0;
    const limit = new ConcurrencyLimit({ initial: 64, min: 8, max: 1000, busyMs: () => busyMs }, 0);
    /** As many as are let in are answered after so long, the last ones of them; so many others are refused. */
    const round = (tookMs: (inside: number) => number, refusedCount: number): number => {
      const enteredAtMs = nowMs;
      let inside = 0;
      while (inside < 1000 && limit.tryEnter(nowMs)) inside += 1;
      for (let i = 0; i < refusedCount; i++) limit.refused();
      nowMs += tookMs(inside);
      busyMs += tookMs(inside);
      for (let i = 0; i < inside; i++) limit.leave(nowMs, enteredAtMs, true);
      return inside;
    };
    for (let i = 0; i < 500; i++) {
      limit.tryEnter(nowMs);
      nowMs += 1;
      busyMs += 0.05;
      limit.leave(nowMs, nowMs - 1, true);
    }
    return round;
  };

  test('a server that is busy refusing does not let in fewer and fewer', () => {
    const round = afterSmallOnes();
    // Many come at once, and refusing them keeps the process busy for 25 ms in each of its turns.
    const inside = Array.from({ length: 2000 }, () => round(() => 25, 1000));
    expect(Math.min(...inside)).toBeGreaterThanOrEqual(8);
  });

  test.each([0, 5])(
    'is learned while others wait, and %d are refused each time',
    (refusedCount) => {
      const round = afterSmallOnes();
      // From now on one keeps the process busy for 10 ms: two of them are enough.
      const inside = Array.from({ length: 200 }, () => round((count) => 10 * count, refusedCount));
      expect(Math.max(...inside.slice(100))).toBeLessThanOrEqual(4);
    },
  );
});

describe('over time', SLOW, () => {
  const [, model, capacity] = MODELS[2]!;

  test('what requests take alone is not forgotten in an overload that never lets up', () => {
    const hourly = simulate(model, { perSecond: () => capacity * 3, durationMs: 120_000, seed: 4 });
    const early = between(hourly, 5_000, 20_000);
    const late = between(hourly, 100_000, 120_000);
    expect(late.p99Ms).toBeLessThan(early.p99Ms * 1.25);
    expect(late.perSecond).toBeGreaterThan(capacity * 0.9);
  });

  test.each([20, 40])('a store that takes %d ms from now on costs nobody an answer', (slowMs) => {
    const slower: ServerModel = {
      ...model,
      storeParallel: Infinity,
      storeMs: (nowMs) => (nowMs < 5000 ? 2 : slowMs),
    };
    const load = { perSecond: () => 1000, durationMs: 20_000, seed: 5 };
    const outcome = simulate(slower, load, BY_DEFAULT);
    expect(between(outcome, 8_000, 20_000).perSecond).toBeGreaterThan(980);
    expect(outcome.refusedCount).toBe(0);
  });

  test('when an overload is over, nobody is refused any more', () => {
    const outcome = simulate(model, {
      perSecond: (nowMs) => (nowMs > 3000 && nowMs < 8000 ? capacity * 5 : capacity / 2),
      durationMs: 20_000,
      seed: 6,
    });
    expect(between(outcome, 9_000, 20_000).perSecond).toBeGreaterThan((capacity / 2) * 0.98);
  });

  test('a tenth of the reads hangs, and the others are answered all the same', () => {
    let n = 0;
    const hanging: ServerModel = {
      ...SMALL,
      storeMs: (nowMs) => (nowMs > 1000 && ++n % 10 === 0 ? 1000 : 0.5),
    };
    const load = { perSecond: () => 5000, durationMs: 8000, seed: 12 };
    const outcome = simulate(hanging, load, BY_DEFAULT);
    const quick = outcome.answered.filter(
      ({ arrivedAtMs, latencyMs }) => arrivedAtMs > 1500 && latencyMs < 50,
    );
    expect(quick.length).toBeGreaterThan(0.88 * 6.5 * 5000);
    expect(outcome.refusedCount).toBe(0);
  });

  test('under way are few, whoever many callers wait for their answers', () => {
    // As 900 callers in a closed loop: all at once, and nobody after them.
    const outcome = simulate(
      SMALL,
      { perSecond: (nowMs) => (nowMs < 9 ? 100_000 : 1), durationMs: 20, seed: 13 },
      BY_DEFAULT,
    );
    expect(outcome.refusedCount).toBe(0);
    expect(outcome.answered.length).toBeGreaterThan(700);
    expect(outcome.mostWaiting).toBeGreaterThan(300);
    expect(outcome.mostInWork).toBeLessThanOrEqual(128);
  });
});

test('by default an overload keeps to the wait that is asked for', SLOW, () => {
  const [, large, capacity] = MODELS[0]!;
  const outcome = simulate(
    large,
    {
      perSecond: (nowMs) => (nowMs < 1000 ? capacity / 2 : capacity * 5),
      durationMs: 10_000,
      seed: 9,
    },
    BY_DEFAULT,
  );
  const late = between(outcome, 2000, 10_000);
  expect(late.perSecond).toBeGreaterThan(capacity * 0.95);
  expect(late.p99Ms).toBeLessThan(150);
});
