import { expect, test } from 'vitest';
import { createAdmissionGate, type AdmissionOptions } from '../../src/admission/admission-gate.ts';
import type { SideboardError } from '../../src/errors.ts';
import { entrant } from './simulated-server.ts';

/** A gate on a clock of its own, and who came to it. */
function openGate(options: Partial<AdmissionOptions> = {}) {
  const looks: ((nowMs: number) => void)[] = [];
  const gate = createAdmissionGate(
    {
      latencyMs: 0,
      minRequests: 4,
      maxRequests: 4,
      maxWaitingBytes: 1000,
      busyMs: () => 0,
      later: (run) => looks.push(run),
      ...options,
    },
    0,
  );
  const enter = (nowMs: number, deadlineAtMs = Infinity) => {
    const caller = {
      letInAtMs: undefined as number | undefined,
      refusal: undefined as SideboardError | undefined,
      leave: (atMs: number) => gate.leave(atMs, caller.letInAtMs!, true),
      withdraw: (atMs: number) => gate.withdraw(asks, atMs),
    };
    const asks = entrant(
      {
        letIn: (atMs) => (caller.letInAtMs = atMs),
        refuse: (error) => (caller.refusal = error),
      },
      deadlineAtMs,
    );
    gate.enter(asks, nowMs);
    return caller;
  };
  return { gate, enter, look: (nowMs: number) => looks.splice(0).forEach((run) => run(nowMs)) };
}

test('what is beyond the limit is refused, with when to come back', () => {
  const { gate, enter } = openGate();
  const inside = Array.from({ length: 4 }, () => enter(1));
  expect(inside.every(({ letInAtMs }) => letInAtMs === 1)).toBe(true);
  const refusals = Array.from({ length: 32 }, () => enter(1).refusal!);
  expect(refusals[0]).toMatchObject({
    code: 'OVERLOADED',
    message: expect.stringContaining('4 requests') as unknown,
  });
  expect(gate.refusedCount).toEqual({ limit: 32, deadline: 0 });
  const pushbacks = new Set(refusals.map((error) => 'retryAfterMs' in error && error.retryAfterMs));
  // Not all at the same moment.
  expect(pushbacks.size).toBeGreaterThan(8);
  expect(Math.min(...[...pushbacks].map(Number))).toBeGreaterThan(0);
  inside[0]!.leave(2);
  expect(enter(2).letInAtMs).toBe(2);
});

test('who finds no place waits for one, first come, first served', () => {
  const { gate, enter } = openGate({ maxRequests: 100 });
  const inside = Array.from({ length: 64 }, () => enter(1));
  const [first, gone, last] = [enter(2), enter(3), enter(4)];
  expect(gate.waitingCount).toBe(3);
  gone.withdraw(5);
  inside[0]!.leave(6);
  expect([first.letInAtMs, gone.letInAtMs, last.letInAtMs]).toEqual([6, undefined, undefined]);
  inside[1]!.leave(7);
  expect([gone.letInAtMs, last.letInAtMs]).toEqual([undefined, 7]);
  expect(gate.waitingCount).toBe(0);
});

test('those that wait are so many, and their messages so large, as is allowed', () => {
  const { enter } = openGate({ maxRequests: 100, maxWaitingBytes: 250 });
  for (let i = 0; i < 64; i++) enter(1);
  // A hundred bytes each.
  expect([enter(1), enter(1), enter(1)].map(({ refusal }) => refusal?.code)).toEqual([
    undefined,
    undefined,
    'OVERLOADED',
  ]);
});

test('a burst is waited out; in an overload the line is short', () => {
  const { enter } = openGate({ maxRequests: 1000, maxWaitingBytes: 1e6 });
  let inside = Array.from({ length: 64 }, () => enter(0));
  // One leaves and three come, every millisecond.
  const refusedAtMs: number[] = [];
  for (let nowMs = 1; nowMs < 400; nowMs++) {
    inside[0]!.leave(nowMs);
    const came = [enter(nowMs), enter(nowMs), enter(nowMs)];
    if (came.some(({ refusal }) => refusal !== undefined)) refusedAtMs.push(nowMs);
    inside = [...inside.slice(1), ...came].filter(({ refusal }) => refusal === undefined);
  }
  expect(refusedAtMs[0]).toBeGreaterThan(25);
  expect(refusedAtMs[0]).toBeLessThan(60);
  expect(refusedAtMs.length).toBeGreaterThan(300);
});

test('few are never an overload, however long they take', () => {
  const { enter } = openGate({ minRequests: 100, maxRequests: 1000, maxWaitingBytes: 1e6 });
  const inside = Array.from({ length: 64 }, () => enter(0));
  const waiting = Array.from({ length: 36 }, () => enter(1));
  const [last] = [enter(1000), inside[0]!.leave(2000)];
  expect(waiting.map(({ refusal }) => refusal).filter(Boolean)).toEqual([]);
  expect(waiting[0]!.letInAtMs).toBe(2000);
  expect(last.refusal?.code).toBe('OVERLOADED');
});

test('a burst after slow traffic is measured by nothing of before', () => {
  const { gate, enter } = openGate({ maxRequests: 1000, maxWaitingBytes: 1e6 });
  // One every ten milliseconds.
  for (let nowMs = 0; nowMs < 2000; nowMs += 10) enter(nowMs).leave(nowMs + 1);
  const burst = Array.from({ length: 500 }, () => enter(2000, 2900));
  expect(burst.every(({ refusal }) => refusal === undefined)).toBe(true);
  expect(gate.waitingCount).toBe(500 - 64);
});

test('how long one will wait is reckoned by the pace while others waited', () => {
  const { enter } = openGate({ latencyMs: 3000, maxRequests: 1000, maxWaitingBytes: 1e6 });
  for (let nowMs = 0; nowMs < 2000; nowMs += 50) enter(nowMs).leave(nowMs + 1);
  // From now on one leaves and one comes every two milliseconds, and five hundred wait.
  const inside = Array.from({ length: 564 }, () => enter(2000));
  for (let i = 0; i < 200; i++) {
    inside[i]!.leave(2002 + 2 * i);
    const next = enter(2002 + 2 * i);
    expect(next.refusal).toBeUndefined();
    inside.push(next);
  }
});

test('a store that stands still for a moment is no reason to think that it will', () => {
  const { enter } = openGate({ latencyMs: 3000, maxRequests: 1000, maxWaitingBytes: 1e6 });
  for (let i = 0; i < 500; i++) enter(0);
  // Nobody leaves.
  const refusals = Array.from({ length: 400 }, (_, i) => enter(i, i + 10_000).refusal);
  expect(refusals.filter(Boolean)).toEqual([]);
});

test('an overload is forgotten when nobody has come for a while', () => {
  const { enter } = openGate({ maxRequests: 1000, maxWaitingBytes: 1e6 });
  let inside = Array.from({ length: 64 }, () => enter(0));
  for (let nowMs = 1; nowMs < 300; nowMs++) {
    inside[0]!.leave(nowMs);
    const came = [enter(nowMs), enter(nowMs), enter(nowMs)];
    inside = [...inside.slice(1), ...came].filter(({ refusal }) => refusal === undefined);
  }
  for (const each of inside) if (each.letInAtMs !== undefined) each.leave(301);
  for (const each of inside.slice(64)) if (each.letInAtMs !== undefined) each.leave(302);
  const burst = Array.from({ length: 300 }, () => enter(5000));
  expect(burst.filter(({ refusal }) => refusal !== undefined)).toEqual([]);
});

test('who has waited for too long is refused, and so is whose deadline has passed', () => {
  const { enter } = openGate({ maxRequests: 100 });
  const inside = Array.from({ length: 64 }, () => enter(0));
  const [patient, hurried] = [enter(1), enter(1, 150)];
  inside[0]!.leave(1000);
  expect(patient.refusal?.code).toBe('OVERLOADED');
  expect(hurried.refusal?.code).toBe('DEADLINE_EXCEEDED');
});

test('requests that hang give their places to others, without anybody leaving', () => {
  const { enter, look } = openGate({ maxRequests: 200 });
  const hanging = Array.from({ length: 64 }, () => enter(0));
  const waiting = enter(50);
  look(60);
  expect(waiting.letInAtMs).toBeUndefined();
  look(220);
  expect(waiting.letInAtMs).toBe(220);
  // And it counts for nobody's place when they come to an end.
  for (const each of hanging) each.leave(221);
  waiting.leave(221);
  const next = Array.from({ length: 65 }, () => enter(222));
  expect(next.filter(({ letInAtMs }) => letInAtMs === 222)).toHaveLength(64);
});

test('the more are refused, the later they are to come back', () => {
  const { enter } = openGate();
  const meanPushback = (refusals: number, fromMs: number): number => {
    let sum = 0;
    const inside = Array.from({ length: 4 }, () => enter(fromMs));
    for (let i = 0; i < refusals; i++) enter(fromMs);
    for (let i = 0; i < 16; i++) {
      const { refusal } = enter(fromMs + 100);
      sum += Number(refusal !== undefined && 'retryAfterMs' in refusal && refusal.retryAfterMs);
    }
    for (const each of inside) each.leave(fromMs + 100);
    return sum / 16;
  };
  const few = meanPushback(4, 1000);
  const many = meanPushback(100, 2000);
  expect(many).toBeGreaterThan(few * 5);
  expect(meanPushback(1_000_000, 3000)).toBeLessThanOrEqual(7500);
});

test('a small read beside large ones is not refused for what they take, while they are few', () => {
  const { gate, enter } = openGate({ minRequests: 64, maxRequests: 1000 });
  // Twelve that take 50 ms each are in work at any time.
  const large: ReturnType<typeof enter>[] = [];
  for (let nowMs = 0; nowMs < 2000; nowMs += 4) {
    large.push(enter(nowMs));
    if (nowMs >= 48) large[nowMs / 4 - 12]!.leave(nowMs);
  }
  const small = enter(2000, 2020);
  expect(small.refusal).toBeUndefined();
  expect(small.letInAtMs).toBe(2000);
  expect(gate.refusedCount).toEqual({ limit: 0, deadline: 0 });
});

/** Large reads that take 50 ms each, always twelve of them in work, and others with 20 ms of time that take so long. */
function lateOnes(takesMs: number, fromMs: number, toMs: number) {
  const { enter } = openGate({ minRequests: 8, maxRequests: 1000, maxWaitingBytes: 1e6 });
  const large: ReturnType<typeof enter>[] = [];
  const inWork = new Map<number, ReturnType<typeof enter>[]>();
  const outcome = { came: 0, letIn: 0 };
  for (let nowMs = 0; nowMs < toMs; nowMs++) {
    for (const each of inWork.get(nowMs) ?? []) each.leave(nowMs);
    if (nowMs % 4 === 0) {
      large.push(enter(nowMs));
      if (nowMs >= 48) large[nowMs / 4 - 12]!.leave(nowMs);
      continue;
    }
    if (nowMs < 500) continue;
    const each = enter(nowMs, nowMs + 20);
    if (each.letInAtMs === nowMs)
      inWork.set(nowMs + takesMs, [...(inWork.get(nowMs + takesMs) ?? []), each]);
    if (nowMs < fromMs) continue;
    outcome.came += 1;
    if (each.letInAtMs === nowMs) outcome.letIn += 1;
  }
  return outcome;
}

test('small reads are not refused for ever for what large ones take', () => {
  const { came, letIn } = lateOnes(2, 1500, 3000);
  expect(letIn / came).toBeGreaterThan(0.95);
});

test('reads that are too late indeed are refused, but for a few', () => {
  const { came, letIn } = lateOnes(40, 1500, 3000);
  expect(letIn / came).toBeLessThan(0.05);
  expect(letIn).toBeGreaterThan(0);
});

test('what cannot make its deadline is refused at once; the first one is always let in', () => {
  const { gate, enter } = openGate({ minRequests: 16, maxRequests: 64 });
  // Reads take 30 ms, for three windows.
  const inside: ReturnType<typeof enter>[] = [];
  let nowMs = 0;
  for (; nowMs < 300; nowMs += 1) {
    inside.push(enter(nowMs));
    if (nowMs >= 30) inside[nowMs - 30]!.leave(nowMs);
  }
  expect(enter(nowMs, nowMs + 10).refusal).toMatchObject({
    code: 'OVERLOADED',
    retryAfterMs: 30,
    message: expect.stringContaining('takes 30 ms now') as unknown,
  });
  const late = enter(nowMs, nowMs + 31);
  expect(late.letInAtMs).toBe(nowMs);
  expect(gate.refusedCount).toEqual({ limit: 0, deadline: 1 });
  // What is known is forgotten when nobody has been measured for a while.
  const later = enter(nowMs + 5000, nowMs + 5010);
  expect(later.letInAtMs).toBe(nowMs + 5000);
});
