import { expect, test } from 'vitest';
import { openWindow } from '../../src/admission/latency-window.ts';
import { RequestCost } from '../../src/admission/request-cost.ts';

/** How few are in work at least, with 8 asked for, when the process is busy with each for so long, and the store alone. */
function fewestOf({ busyMs, storeMs }: { busyMs: number; storeMs: number }): number {
  const cost = new RequestCost();
  const count = 100;
  for (let i = 0; i < 50; i++) {
    const window = { ...openWindow(0, 0), leftCount: count };
    cost.learn(window, count * (busyMs + storeMs), count * busyMs, true);
  }
  return cost.fewest(8);
}

test('of large reads so few as keep process and store busy', () => {
  expect(fewestOf({ busyMs: 0.4, storeMs: 1.3 })).toBeCloseTo(4 / 1.7, 1);
  expect(fewestOf({ busyMs: 3, storeMs: 3 })).toBe(2);
});

test('of middling ones what is asked for', () => {
  expect(fewestOf({ busyMs: 0.09, storeMs: 0.09 })).toBe(8);
});

test('of small ones so many that each turn serves some together, whatever is asked for', () => {
  expect(fewestOf({ busyMs: 0.02, storeMs: 0.04 })).toBeCloseTo(1 / 0.06, 1);
  expect(fewestOf({ busyMs: 0.012, storeMs: 0.013 })).toBe(32);
});

test('nothing is known before anybody has left', () => {
  expect(new RequestCost().fewest(8)).toBe(8);
});
