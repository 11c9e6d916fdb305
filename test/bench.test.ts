import { create, toBinary } from '@bufbuild/protobuf';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { summarizeProfile } from '../bench/parts/cpu-profile.ts';
import { GHZ_CAVEAT, ghzArguments, parseGhzReport } from '../bench/load/ghz.ts';
import { parseH2load } from '../bench/load/h2load.ts';
import { entityIds, references, storedValue } from '../bench/data/official-layout.ts';
import {
  createLatencyHistogram,
  mergeHistograms,
  recordMs,
  summarizeLatencies,
} from '../bench/load/latency-histogram.ts';
import { loadScenarios } from '../bench/data/scenario.ts';
import { scheduledOf } from '../bench/machine/processes.ts';
import { servedQuantileMs } from '../bench/machine/served-latency.ts';
import { percentile, spreadOf } from '../bench/report/spread.ts';
import { verifyReply } from '../bench/data/verify-reply.ts';
import {
  FeatureListSchema,
  FieldStatus,
  GetOnlineFeaturesResponseMetadataSchema,
  GetOnlineFeaturesResponseSchema,
  GetOnlineFeaturesResponse_FeatureVectorSchema,
} from '../gen/feast/serving/ServingService_pb.ts';
import { ValueSchema } from '../gen/feast/types/Value_pb.ts';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';

describe('the ghz wrapper', () => {
  const options = {
    address: '127.0.0.1:6566',
    call: 'feast.serving.ServingService/GetOnlineFeatures',
    data: {},
    concurrency: 4,
    connections: 2,
    requests: 100,
  };

  test('says everything by flags', () => {
    expect(ghzArguments({ ...options, ratePerSecond: 50, skipFirst: 5 }, 'data.json')).toEqual(
      '--insecure --format json --call feast.serving.ServingService/GetOnlineFeatures --data-file data.json --concurrency 4 --connections 2 --total 100 --timeout 20000ms --rps 50 --skipFirst 5 127.0.0.1:6566'.split(
        ' ',
      ),
    );
  });

  const call = (startMs: number, ms: number, error = '') => ({
    timestamp: new Date(startMs + ms).toISOString().replace('Z', '000000+00:00'),
    latency: ms * 1e6,
    error,
    status: error === '' ? 'OK' : 'Unavailable',
  });
  const reportOf = (rps: number, details: readonly object[]): string =>
    JSON.stringify({
      count: details.length,
      total: 2e9,
      average: 2e6,
      fastest: 1e6,
      slowest: 3e6,
      rps: 2,
      options: { rps },
      errorDistribution: { 'rpc error': 1 },
      statusCodeDistribution: { OK: 3, Unavailable: 1 },
      latencyDistribution: null,
      details,
    });

  test('says that the loop is open', () => {
    const args = ghzArguments({ ...options, ratePerSecond: 50, isOpenLoop: true }, 'data.json');
    expect(args).toEqual(expect.arrayContaining(['--rps', '50', '--async']));
  });

  test('reads a report in milliseconds, without the calls that failed', () => {
    const calls = [call(0, 3), call(0, 1), call(3, 2), call(3, 9000, 'rpc error')];
    const report = parseGhzReport(reportOf(0, calls));
    expect(report).toMatchObject({ totalMs: 2000, fastestMs: 1 });
    expect(summarizeLatencies(report.latencies)).toMatchObject({ count: 3 });
    expect(summarizeLatencies(report.latencies).p50Ms).toBeCloseTo(2, 2);
    expect(summarizeLatencies(report.latencies).maxMs).toBeCloseTo(3, 2);
    expect(report.errorCounts).toEqual({ 'rpc error': 1 });
    expect(report.caveat).toBe(GHZ_CAVEAT);
  });

  test('counts from when calls at a rate were due, also behind one that failed', () => {
    // Ten a second; a stall of 250 ms holds up the second, third and fourth.
    const calls = [call(0, 10), call(250, 10, 'rpc error'), call(251, 10), call(300, 10)];
    const { latencies, corrected, correction } = parseGhzReport(reportOf(10, calls));
    expect(summarizeLatencies(latencies).maxMs).toBeCloseTo(10, 1);
    expect(summarizeLatencies(corrected).count).toBe(3);
    expect(summarizeLatencies(corrected).maxMs).toBeCloseTo(61, 1);
    expect(correction).toBe('from when each call was due, at 10/s');
  });

  test('puts into a closed loop what a slow answer kept from being sent', () => {
    const calls = [...Array.from({ length: 9 }, (_, i) => call(i, 1)), call(9, 5.5)];
    const { latencies, corrected, correction } = parseGhzReport(reportOf(0, calls));
    expect(latencies.count).toBe(10);
    // 4.5, 3.5, 2.5 and 1.5 ms were left of the wait for those that were never sent.
    expect(corrected.count).toBe(14);
    expect(correction).toBe('expected interval of a worker: 1.0 ms (the median)');
  });

  test('refuses what is no report', () => {
    expect(() => parseGhzReport('{"count":"many"}')).toThrow();
  });
});

test('histograms of runs merge, and an empty one says nothing', () => {
  const merged = mergeHistograms(
    [1, 3].map((ms) => {
      const histogram = createLatencyHistogram();
      recordMs(histogram, ms);
      return histogram;
    }),
  );
  const { count, p50Ms, maxMs } = summarizeLatencies(merged);
  expect(count).toBe(2);
  expect(p50Ms).toBeCloseTo(1, 2);
  expect(maxMs).toBeCloseTo(3, 2);
  expect(summarizeLatencies(mergeHistograms([])).p99Ms).toBeNaN();
});

describe('the h2load wrapper', () => {
  test('reads what h2load prints', () => {
    const text = `finished in 1.50s, 2000.00 req/s, 3.98MB/s
requests: 3000 total, 3000 started, 3000 done, 2990 succeeded, 10 failed, 0 errored, 0 timeout
status codes: 2990 2xx, 0 3xx, 0 4xx, 10 5xx
traffic: 5.97MB (6261564) total, 58.59KB (59996) headers (space savings 95.00%), 5.72MB (6000000) data`;
    expect(parseH2load(text)).toEqual({
      requests: 3000,
      succeeded: 2990,
      requestsPerSecond: 2000,
      seconds: 1.5,
      bytesPerReply: 2000,
    });
  });

  test('refuses anything else', () => {
    expect(() => parseH2load('connection refused')).toThrow('connection refused');
  });
});

describe('figures', () => {
  test('have a smallest, a middle and a largest', () => {
    expect(spreadOf([5, 1, 3])).toEqual({ min: 1, median: 3, max: 5 });
    expect(() => spreadOf([])).toThrow();
  });

  test('have percentiles', () => {
    const figures = Array.from({ length: 100 }, (_, i) => i + 1);
    expect(percentile(figures, 0.5)).toBe(51);
    expect(percentile(figures, 0.99)).toBe(100);
    expect(percentile(figures, 1)).toBe(100);
  });
});

describe('scenarios', () => {
  test('are the published shapes, small to large', () => {
    const names = loadScenarios().map(({ name }) => name);
    expect(names).toEqual(['1x10', '1x50', '64x10', '100x50', '100x250']);
    expect(loadScenarios(['64x10'])).toMatchObject([{ rows: 64, features: 10 }]);
    expect(() => loadScenarios(['7x7'])).toThrow(/no scenario 7x7; there are 1x10/);
  });

  test('ask for distinct entities, the same in every run', () => {
    const ids = entityIds(100, 3, 10_000);
    expect(new Set(ids).size).toBe(100);
    expect(ids).toEqual(entityIds(100, 3, 10_000));
    expect(ids).not.toEqual(entityIds(100, 4, 10_000));
  });
});

describe('a reply is verified', () => {
  const features = references(2);
  const reply = (value: bigint): Uint8Array => {
    const column = (int64: bigint) =>
      create(GetOnlineFeaturesResponse_FeatureVectorSchema, {
        values: [create(ValueSchema, { val: { case: 'int64Val', value: int64 } })],
        statuses: [FieldStatus.PRESENT],
        eventTimestamps: [timestampFromMs(1000)],
      });
    const val = ['entity', 'feature_0', 'feature_1'];
    return toBinary(
      GetOnlineFeaturesResponseSchema,
      create(GetOnlineFeaturesResponseSchema, {
        metadata: create(GetOnlineFeaturesResponseMetadataSchema, {
          featureNames: create(FeatureListSchema, { val }),
        }),
        results: [column(7n), column(storedValue(7, 0)), column(value)],
      }),
    );
  };

  test('right', () => {
    expect(() => verifyReply(reply(storedValue(7, 1)), features, [7])).not.toThrow();
  });

  test('wrong', () => {
    expect(() => verifyReply(reply(storedValue(7, 1) + 1n), features, [7])).toThrow(
      'feature_view_0:feature_1, row 0: not what was stored',
    );
    expect(() => verifyReply(reply(0n), features, [7, 8])).toThrow('1 values for 2 rows');
  });
});

test('a CPU profile is summed up by function and part, without idle time', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sideboard-profile-'));
  try {
    const src = new URL('../src/retrieval/plan.ts', import.meta.url).href;
    const dependency = new URL('../node_modules/ioredis/built/Redis.js', import.meta.url).href;
    const node = (id: number, functionName: string, url: string) => ({
      id,
      callFrame: { functionName, url, lineNumber: 9 },
    });
    const path = join(folder, 'one.cpuprofile');
    writeFileSync(
      path,
      JSON.stringify({
        nodes: [node(1, 'bind', src), node(2, 'write', dependency), node(3, '(idle)', '')],
        samples: [1, 3, 2, 1],
        timeDeltas: [250, 9000, 250, 500],
      }),
    );
    expect(summarizeProfile(path)).toEqual({
      busySeconds: 0.001,
      functions: [
        { name: 'bind', place: 'src/retrieval/plan.ts:10', share: 0.75 },
        { name: 'write', place: 'ioredis/built/Redis.js:10', share: 0.25 },
      ],
      parts: [
        { part: 'src/retrieval', share: 0.75 },
        { part: 'ioredis', share: 0.25 },
      ],
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('quantiles of what a server has answered are between the bounds of its histogram', () => {
  const before = new Map([
    [0.001, 100],
    [0.01, 100],
    [Infinity, 100],
  ]);
  const after = new Map([
    [0.001, 150],
    [0.01, 200],
    [Infinity, 200],
  ]);
  expect(servedQuantileMs(before, after, 0.25)).toBeCloseTo(0.5);
  expect(servedQuantileMs(before, after, 0.75)).toBeCloseTo(5.5);
  expect(servedQuantileMs(before, before, 0.5)).toBeNaN();
  const slow = new Map([...after, [Infinity, 300]]);
  expect(servedQuantileMs(before, slow, 0.99)).toBe(10);
});

test('the scheduler says how long a process ran, and waited for a core', () => {
  const { ranUs, waitedUs } = scheduledOf(process.pid);
  expect(ranUs).toBeGreaterThan(1000);
  expect(ranUs + waitedUs).toBeLessThan(1.1e6 * process.uptime());
});
