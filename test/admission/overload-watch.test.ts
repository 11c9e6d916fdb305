import { expect, test } from 'vitest';
import { OverloadWatch } from '../../src/admission/overload-watch.ts';

/** What happens in a millisecond: so many come and so many leave. */
type Happens = (ms: number) => { came: number; left: number };

/** A line of those that come and do not leave at once. Returns since when and until when it was an overload, by the millisecond. */
function watch(happens: Happens, durationMs: number): { fromMs: number; toMs: number }[] {
  const overload = new OverloadWatch(0);
  const times: { fromMs: number; toMs: number }[] = [];
  let line = 0;
  for (let nowMs = 1; nowMs <= durationMs; nowMs++) {
    const { came, left } = happens(nowMs);
    const before = line;
    for (let i = 0; i < came; i++) overload.came();
    if (before === 0 && came > 0) overload.lineBegan(nowMs);
    line += came;
    for (let i = 0; i < Math.min(left, line); i++) overload.left(nowMs);
    line = Math.max(line - left, 0);
    if (line === 0 && before + came > 0) overload.lineEnded(nowMs);
    overload.look(nowMs);
    const last = times.at(-1);
    if (!overload.isOverloaded) continue;
    if (last?.toMs === nowMs - 1) last.toMs = nowMs;
    else times.push({ fromMs: nowMs, toMs: nowMs });
  }
  return times;
}

test('half more than can be answered is an overload before anybody has waited for long', () => {
  const [first] = watch((ms) => ({ came: ms > 500 ? 15 : 5, left: 10 }), 1000);
  expect(first?.fromMs).toBeGreaterThan(520);
  expect(first?.fromMs).toBeLessThan(560);
  expect(first?.toMs).toBe(1000);
});

test('what comes all at once is a burst, and so is what follows it more slowly than it can be answered', () => {
  // It takes half a second until the line is empty.
  expect(watch((ms) => ({ came: ms === 100 ? 1000 : 8, left: 10 }), 1000)).toEqual([]);
});

test('a store that stands still for a while is no overload', () => {
  const times = watch((ms) => ({ came: 8, left: ms > 300 && ms < 360 ? 0 : 10 }), 1000);
  expect(times).toEqual([]);
});

test('a line that stands and becomes no shorter is an overload', () => {
  // As of callers who ask again as soon as they are answered.
  const [first] = watch((ms) => ({ came: ms === 1 ? 500 : 10, left: 10 }), 1000);
  expect(first?.fromMs).toBeGreaterThan(90);
  expect(first?.fromMs).toBeLessThan(250);
});

test('an overload goes on while more come than can be answered, though the line is empty most of the time', () => {
  // The line of this model is one that nobody is refused from: those who are never come into it.
  const overload = new OverloadWatch(0);
  const refuseAllBut = (nowMs: number, came: number, served: number): void => {
    for (let i = 0; i < came; i++) overload.came();
    overload.lineBegan(nowMs);
    for (let i = 0; i < served; i++) overload.left(nowMs);
    overload.lineEnded(nowMs + 2);
    overload.look(nowMs + 2);
  };
  for (let nowMs = 1; nowMs < 200; nowMs++) {
    for (let i = 0; i < 30; i++) overload.came();
    if (nowMs === 1) overload.lineBegan(nowMs);
    for (let i = 0; i < 10; i++) overload.left(nowMs);
    overload.look(nowMs);
  }
  overload.lineEnded(200);
  expect(overload.isOverloaded).toBe(true);
  // Twenty are answered in the two milliseconds of each line, so that a hundred could be in ten.
  for (let nowMs = 210; nowMs < 1000; nowMs += 10) refuseAllBut(nowMs, 200, 20);
  expect(overload.isOverloaded).toBe(true);
  for (let nowMs = 1000; nowMs < 1300; nowMs += 10) refuseAllBut(nowMs, 50, 20);
  expect(overload.isOverloaded).toBe(false);
});

test('it goes on when many leave at once, every few milliseconds', () => {
  const [first, second] = watch((ms) => ({ came: 50, left: ms % 5 === 0 ? 100 : 0 }), 2000);
  expect(first?.toMs).toBe(2000);
  expect(second).toBeUndefined();
});

test('the pace is right though a line begins in the middle of a turn', () => {
  const overload = new OverloadWatch(0);
  // One leaves every two milliseconds, and three come: at first they all wait, …
  overload.lineBegan(0);
  for (let nowMs = 2; nowMs <= 200; nowMs += 2) turn(nowMs);
  overload.lineEnded(200);
  expect(overload.isOverloaded).toBe(true);
  // … then one of them, since the middle of the turn.
  for (let nowMs = 202; nowMs <= 1200; nowMs += 2) {
    overload.lineBegan(nowMs - 1);
    turn(nowMs);
    overload.lineEnded(nowMs);
  }
  expect(overload.isOverloaded).toBe(true);
  expect(overload.msPerTurn).toBeCloseTo(2, 1);

  function turn(nowMs: number): void {
    for (let i = 0; i < 3; i++) overload.came();
    overload.left(nowMs);
    overload.look(nowMs);
  }
});
