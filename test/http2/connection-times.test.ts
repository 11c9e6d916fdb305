import { expect, it } from 'vitest';
import { startTimes } from '../../src/http2/connection-times.ts';
import { DEFAULT_LIMITS } from '../../src/http2/default-limits.ts';

it('connections that begin together end apart, a tenth earlier or later than they should', () => {
  const limits = { ...DEFAULT_LIMITS, maxConnectionAgeMs: 100_000 };
  const ages = Array.from({ length: 1000 }, () => {
    const { endsAtMs, openedAtMs } = startTimes(limits);
    return endsAtMs - openedAtMs;
  });
  const earliest = Math.min(...ages);
  const latest = Math.max(...ages);
  expect(earliest).toBeGreaterThanOrEqual(89_999);
  expect(latest).toBeLessThanOrEqual(110_001);
  // A thousand of them leave a sixth of the range empty once in 10 ** 79 runs.
  expect(earliest).toBeLessThan(93_400);
  expect(latest).toBeGreaterThan(106_600);
});

it('a connection without a limit of age never ends for it', () => {
  expect(startTimes({ ...DEFAULT_LIMITS, maxConnectionAgeMs: 0 }).endsAtMs).toBe(Infinity);
});
