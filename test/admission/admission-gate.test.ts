import { expect, test } from 'vitest';
import { createAdmissionGate } from '../../src/admission/admission-gate.ts';

/** A gate that lets in four, on a clock of its own. */
function smallGate() {
  return createAdmissionGate({ latencyMs: 0, minRequests: 4, maxRequests: 4, busyMs: () => 0 }, 0);
}

test('what is beyond the limit is refused, with when to come back', () => {
  const gate = smallGate();
  for (let i = 0; i < 4; i++) expect(gate.enter(1, Infinity)).toBeUndefined();
  const refusals = Array.from({ length: 32 }, () => gate.enter(1, Infinity)!);
  expect(refusals[0]).toMatchObject({
    code: 'OVERLOADED',
    message: expect.stringContaining('4 requests') as unknown,
  });
  expect(gate.refusedCount).toEqual({ limit: 32, deadline: 0 });
  const pushbacks = new Set(refusals.map(({ retryAfterMs }) => retryAfterMs));
  // Not all at the same moment.
  expect(pushbacks.size).toBeGreaterThan(8);
  expect(Math.min(...pushbacks)).toBeGreaterThan(0);
  gate.leave(2, 1);
  expect(gate.enter(2, Infinity)).toBeUndefined();
});

test('a burst is welcome before an overload is measured, unless answers may not wait', () => {
  const strictness = { minRequests: 64, maxRequests: 1000, busyMs: () => 0 };
  const gate = createAdmissionGate({ ...strictness, latencyMs: 100 }, 0);
  for (let i = 0; i < 1000; i++) expect(gate.enter(1, Infinity)).toBeUndefined();
  expect(gate.enter(1, Infinity)).toBeDefined();
  expect(createAdmissionGate({ ...strictness, latencyMs: 0 }, 0).limit).toBe(64);
});

test('the more are refused, the later they are to come back', () => {
  const gate = smallGate();
  const meanPushback = (refusals: number, fromMs: number): number => {
    let sum = 0;
    for (let i = 0; i < 4; i++) gate.enter(fromMs, Infinity);
    for (let i = 0; i < refusals; i++) gate.enter(fromMs, Infinity);
    for (let i = 0; i < 16; i++) sum += gate.enter(fromMs + 100, Infinity)!.retryAfterMs;
    for (let i = 0; i < 4; i++) gate.leave(fromMs + 100, fromMs);
    return sum / 16;
  };
  const few = meanPushback(4, 1000);
  const many = meanPushback(100, 2000);
  expect(many).toBeGreaterThan(few * 5);
  expect(meanPushback(1_000_000, 3000)).toBeLessThanOrEqual(7500);
});

test('what cannot make its deadline is refused at once; the first one is always let in', () => {
  const gate = createAdmissionGate(
    { latencyMs: 0, minRequests: 64, maxRequests: 64, busyMs: () => 0 },
    0,
  );
  // Reads take 30 ms, one window long.
  let nowMs = 0;
  for (; nowMs < 100; nowMs += 1) {
    gate.enter(nowMs, Infinity);
    if (nowMs >= 30) gate.leave(nowMs, nowMs - 30);
  }
  expect(gate.enter(nowMs, nowMs + 10)).toMatchObject({
    code: 'OVERLOADED',
    retryAfterMs: 30,
    message: expect.stringContaining('takes 30 ms now') as unknown,
  });
  expect(gate.enter(nowMs, nowMs + 31)).toBeUndefined();
  expect(gate.refusedCount).toEqual({ limit: 0, deadline: 1 });
  // What is known is forgotten when nobody has been measured for a while.
  expect(gate.enter(nowMs + 5000, nowMs + 5010)).toBeUndefined();
  for (let i = 0; i < 32; i++) gate.leave(nowMs + 5000, undefined);
  expect(gate.enter(nowMs + 5000, nowMs + 5001)).toBeUndefined();
});
