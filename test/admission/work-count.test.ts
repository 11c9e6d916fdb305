import { expect, test } from 'vitest';
import { WorkCount } from '../../src/admission/work-count.ts';

test('those that came in one moment are counted out where they were counted in', () => {
  const work = new WorkCount(0);
  work.passOverStuck(50, Infinity);
  work.add(50);
  // In the same turn it was learned what a request takes alone: fewer milliseconds make one stuck now.
  work.passOverStuck(50, 1);
  work.add(50);
  work.remove(50);
  work.remove(50);
  work.passOverStuck(80, 1);
  expect([work.total, work.moving]).toEqual([0, 0]);
});

test('what is stuck gives up its place and is not counted twice when it ends', () => {
  const work = new WorkCount(0);
  work.add(0);
  for (const nowMs of [30, 60]) {
    work.passOverStuck(nowMs, 1);
    work.add(nowMs);
  }
  expect([work.total, work.moving]).toEqual([3, 2]);
  work.remove(0);
  expect([work.total, work.moving]).toEqual([2, 2]);
  work.remove(60);
  work.remove(30);
  expect([work.total, work.moving]).toEqual([0, 0]);
});

test('what is in a queue is not stuck, unless that is a very long one', () => {
  const work = new WorkCount(0);
  work.add(0);
  work.passOverStuck(50, 1, 40);
  expect(work.moving).toBe(1);
  for (const nowMs of [101, 203]) work.passOverStuck(nowMs, 1, 400);
  expect(work.moving).toBe(0);
});
