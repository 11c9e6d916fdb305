import { describe, expect, test } from 'vitest';
import { ConcurrencyLimit } from '../../src/admission/concurrency-limit.ts';
import { between, simulate, type ServerModel } from './simulated-server.ts';

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
  test('at half load nobody is refused', () => {
    const half = simulate(model, { perSecond: () => capacity / 2, durationMs: 10_000, seed: 3 });
    expect(half.refusedCount / half.answered.length).toBeLessThan(0.01);
  });

  test.each([1.5, 2, 5, 10])(
    'at %d times capacity goodput stays, and who is let in is fast',
    (factor) => {
      const { slower, goodput } = step(model, capacity, factor);
      expect(goodput).toBeGreaterThan(0.9);
      expect(slower).toBeLessThan(2);
    },
  );
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

describe('over time', SLOW, () => {
  const [, model, capacity] = MODELS[2]!;

  test('the baseline is not lost in an overload that never lets up', () => {
    const hourly = simulate(model, { perSecond: () => capacity * 3, durationMs: 120_000, seed: 4 });
    const early = between(hourly, 5_000, 20_000);
    const late = between(hourly, 100_000, 120_000);
    expect(late.p99Ms).toBeLessThan(early.p99Ms * 1.25);
    expect(late.perSecond).toBeGreaterThan(capacity * 0.9);
  });

  test('a store that becomes slower, but not fuller, costs nobody an answer for long', () => {
    const slower: ServerModel = {
      ...model,
      storeParallel: Infinity,
      storeMs: (nowMs) => (nowMs < 5000 ? 2 : 40),
    };
    const outcome = simulate(slower, { perSecond: () => 1000, durationMs: 20_000, seed: 5 });
    expect(between(outcome, 8_000, 20_000).perSecond).toBeGreaterThan(980);
  });

  test('when an overload is over, nobody is refused any more', () => {
    const outcome = simulate(model, {
      perSecond: (nowMs) => (nowMs > 3000 && nowMs < 8000 ? capacity * 5 : capacity / 2),
      durationMs: 20_000,
      seed: 6,
    });
    expect(between(outcome, 9_000, 20_000).perSecond).toBeGreaterThan((capacity / 2) * 0.98);
    const limitsAfter = outcome.limits.slice(10);
    expect(Math.min(...limitsAfter)).toBeGreaterThanOrEqual(20);
  });

  test('a pause of the whole process is no overload', () => {
    const paused: ServerModel = {
      ...model,
      storeMs: (nowMs) => (Math.floor(nowMs) % 1000 < 10 ? 15 : 2),
      storeParallel: Infinity,
    };
    const outcome = simulate(paused, { perSecond: () => 2000, durationMs: 10_000, seed: 7 });
    expect(outcome.refusedCount / outcome.answered.length).toBeLessThan(0.01);
  });
});

describe('as lenient as by default', () => {
  const LENIENT = { initial: 1000, min: 64, max: 1000, latencyMs: 100 };

  test('a slow request after an idle hour is no overload', () => {
    let busyMs = 0;
    const limit = new ConcurrencyLimit({ ...LENIENT, busyMs: () => busyMs }, 0);
    const serve = (atMs: number, latencyMs: number): void => {
      expect(limit.tryEnter()).toBe(true);
      busyMs += 0.05;
      limit.leave(atMs + latencyMs, atMs);
    };
    for (let ms = 0; ms < 1000; ms++) serve(ms, 0.5);
    // The process did this and that meanwhile; the first read finds a connection that has to be made again.
    busyMs += 10_000;
    // And now and then there is another one.
    const limits = Array.from({ length: 20 }, (_, i) => {
      serve(3_600_000 + 2_000 * i, 400);
      return limit.current;
    });
    expect(Math.min(...limits)).toBe(1000);
  });
  const [, large, capacity] = MODELS[0]!;

  test('nobody is refused up to the wanted latency, however long a read takes alone', SLOW, () => {
    const burst = simulate(
      large,
      { perSecond: (nowMs) => (nowMs < 80 ? 600 : capacity * 0.5), durationMs: 5000, seed: 8 },
      LENIENT,
    );
    expect(burst.refusedCount).toBe(0);
  });

  test(
    'an overload keeps to that latency, as far as the least number of requests allows',
    SLOW,
    () => {
      const outcome = simulate(
        large,
        {
          perSecond: (nowMs) => (nowMs < 1000 ? capacity / 2 : capacity * 5),
          durationMs: 28_000,
          seed: 9,
        },
        LENIENT,
      );
      const [early, late] = [between(outcome, 2000, 6000), between(outcome, 19_000, 28_000)];
      expect(early.perSecond).toBeGreaterThan(capacity * 0.95);
      // Sixty-four of 1.8 ms each are 115 ms, twice: once to be read, once to be answered; and a probe now and then.
      expect(early.p99Ms).toBeLessThan(400);
      expect(late.p99Ms).toBeLessThan(400);
    },
  );

  test('a store that becomes slower, but not fuller, costs nobody an answer for long', SLOW, () => {
    const model: ServerModel = {
      cpuMs: [0.02, 0.025],
      refusalMs: 0.002,
      storeMs: (nowMs) => (nowMs < 3000 ? 2 : 250),
      storeParallel: Infinity,
    };
    const outcome = simulate(
      model,
      { perSecond: () => 2000, durationMs: 15_000, seed: 10 },
      LENIENT,
    );
    expect(between(outcome, 8_000, 14_000).perSecond).toBeGreaterThan(1950);
  });
});

test('never are fewer let in than the least number, not even for a probe', SLOW, () => {
  const [, store, capacity] = MODELS[2]!;
  const outcome = simulate(
    store,
    { perSecond: () => capacity * 4, durationMs: 30_000, seed: 11 },
    { initial: 20, min: 6, max: 1000, latencyMs: 0 },
  );
  expect(outcome.lowestLimit).toBeGreaterThanOrEqual(6);
});
