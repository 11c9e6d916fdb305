import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { OrcaLoadReportSchema } from '../../gen/xds/data/orca/v3/orca_load_report_pb.ts';
import { OrcaLoadReportRequestSchema } from '../../gen/xds/service/orca/v3/orca_pb.ts';
import { CallerAbort } from '../../src/call/caller-signal.ts';
import type { CallContext } from '../../src/grpc/grpc-service.ts';
import { createLoadReports } from '../../src/grpc/load-reports.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Reports whose requests per second are those that were measured: the first has 1. */
function createServer() {
  let measuredCount = 0;
  const reports = createLoadReports(() => ({
    applicationUtilization: 0.5,
    cpuUtilization: 0.5,
    memoryUtilization: 0.5,
    requestsPerSecond: ++measuredCount,
    errorsPerSecond: 0,
  }));
  const method = reports.service.methods['StreamCoreMetrics']!;
  if (method.kind !== 'streaming') throw new Error('reports are a stream');
  const open = () => {
    const signal = new CallerAbort();
    const received: number[] = [];
    const call = method.open({ signal } as Partial<CallContext> as CallContext, {
      open: () => {},
      send: (bytes) => received.push(fromBinary(OrcaLoadReportSchema, bytes).rpsFractional),
      hold: () => {},
      end: () => {},
    });
    return {
      received,
      send(request: Uint8Array): void {
        call.onMessage(request);
        call.onEnd();
      },
      hangUp: () => signal.abort(),
    };
  };
  return {
    open,
    /** Wants a report every so many milliseconds; `undefined` = does not say. */
    listen(intervalMs: number | undefined) {
      const stream = open();
      const interval =
        intervalMs === undefined ? {} : { reportInterval: durationFromMs(intervalMs) };
      const request = create(OrcaLoadReportRequestSchema, interval);
      stream.send(toBinary(OrcaLoadReportRequestSchema, request));
      return stream;
    },
  };
}

test.each([
  [5000, 5000],
  [1000, 1000],
  [999, 1000],
  [0, 1000],
  [-60_000, 1000],
  [undefined, 30_000],
  [2 ** 45, 2 ** 31 - 1],
])(
  'who wants a report every %s ms gets one at once and one every %i ms',
  (wantedMs, intervalMs) => {
    const { received } = createServer().listen(wantedMs);
    expect(received).toEqual([1]);
    vi.advanceTimersByTime(intervalMs - 1);
    expect(received).toEqual([1]);
    vi.advanceTimersByTime(1);
    expect(received).toEqual([1, 2]);
    vi.advanceTimersByTime(intervalMs);
    expect(received).toEqual([1, 2, 3]);
  },
);

test('many who listen have intervals of their own, and leave nothing behind', () => {
  const { listen } = createServer();
  const streams = Array.from({ length: 1000 }, (_, i) => listen(i % 2 === 0 ? 1000 : 2000));
  vi.advanceTimersByTime(2000);
  const counts = streams.map(({ received }) => received.length);
  expect(counts).toEqual(counts.map((_, i) => (i % 2 === 0 ? 3 : 2)));
  for (const { hangUp } of streams) hangUp();
  expect(vi.getTimerCount()).toBe(0);
});

test('what is no request is refused, and starts nothing', () => {
  const { send } = createServer().open();
  expect(() => send(Buffer.from([0xff]))).toThrow('not a valid');
  expect(vi.getTimerCount()).toBe(0);
});
