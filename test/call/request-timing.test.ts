import { expect, test } from 'vitest';
import { REQUEST_TIMING, RequestTiming, startTiming } from '../../src/call/request-timing.ts';
import type { RequestTrace } from '../../src/call/request-trace.ts';

const STARTED_AT_MS = 5;

function callOf(asked: string | undefined, trace?: RequestTrace) {
  return {
    startedAtMs: STARTED_AT_MS,
    trace,
    timing: undefined as RequestTiming | undefined,
    metadata: (name: string) => (name === REQUEST_TIMING ? asked : undefined),
  };
}

test.each([undefined, 'false'])(
  'nothing is made for a call that says %s and is not traced',
  (asked) => {
    for (const trace of [undefined, { traceId: 'a', spanId: '', timing: undefined }]) {
      const call = callOf(asked, trace);
      expect(startTiming(call)).toBeUndefined();
      expect(call.timing).toBeUndefined();
    }
  },
);

test('a call that asks is timed from its head on, and answers with it', () => {
  const call = callOf('true');
  expect(startTiming(call)).toBe(call.timing);
  expect(call.timing?.startedAtMs).toBe(STARTED_AT_MS);
  expect(call.timing?.onNodeRead).toBeUndefined();
});

test('a traced call has the timing of its trace, and tells its caller only if asked', () => {
  const trace = { traceId: 'a', spanId: '', timing: new RequestTiming(STARTED_AT_MS) };
  const silent = callOf(undefined, trace);
  expect(startTiming(silent)).toBe(trace.timing);
  expect(silent.timing).toBeUndefined();
  const asking = callOf('true', trace);
  expect(startTiming(asking)).toBe(trace.timing);
  expect(asking.timing).toBe(trace.timing);
});

test('anything else is a mistake', () => {
  expect(() => startTiming(callOf('yes'))).toThrow('true or false');
});
