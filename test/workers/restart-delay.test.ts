import { expect, test } from 'vitest';
import { restartDelayMs } from '../../src/workers/restart-delay.ts';

test('the first failure is mended at once, further ones ever later, up to half a minute', () => {
  const delays = Array.from({ length: 12 }, (_, i) => restartDelayMs(i + 1, 0));
  expect(delays).toEqual([
    0, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000, 30_000,
  ]);
  expect(restartDelayMs(1000, 0)).toBe(30_000);
});

test('workers that fail together do not start together', () => {
  expect(restartDelayMs(3, 1)).toBe(320);
  expect(restartDelayMs(3, 0.5)).toBe(360);
});
