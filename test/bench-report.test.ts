import { describe, expect, test } from 'vitest';
import { sumGc, sumPromotedBytes } from '../bench/load/gc-trace.ts';
import { parseFloor } from '../bench/parts/redis-floor.ts';
import { planText } from '../bench/plan.ts';
import { barsTables } from '../bench/report/bars.ts';
import type { AskedAtHalfLoad, HalfLoadRound } from '../bench/parts/half-load.ts';
import { compareRuns, compareText } from '../bench/report/compare.ts';
import { plotSvg } from '../bench/report/plot.ts';
import { halfLoadTable, judgeHalfLoad } from '../bench/report/report-half-load.ts';
import type { Parts, RunResults } from '../bench/report/results.ts';

const runOf = (parts: Partial<Parts>): RunResults => ({
  when: '2026-01-01T00:00:00.000Z',
  command: 'npm run bench',
  machine: { cpu: 'one', cores: 2, memoryGiB: 1, kernel: '6', versions: {}, commit: 'abc' },
  rounds: 3,
  seconds: 5,
  parts,
});
const loads = (...cpu: number[]): Parts['load'] =>
  cpu.map((cpuUsPerRequest) => ({
    scenario: '1x50',
    kind: 'distinct',
    cpuUsPerRequest,
    requestsPerSecond: 1e6 / cpuUsPerRequest,
    rssMiB: 100,
    requests: 1000,
  }));

describe('comparing two runs', () => {
  const changesOf = (before: number[], after: number[]) =>
    compareRuns(runOf({ load: loads(...before) }), runOf({ load: loads(...after) }));

  test('calls what lies within the spread of the rounds noise', () => {
    const [cpu] = changesOf([100, 110, 130], [120, 121, 122]);
    expect(cpu).toMatchObject({ unit: 'us CPU', before: 110, after: 121, verdict: 'noise' });
    expect(cpu?.noise).toBeCloseTo(30 / 110);
  });

  test('knows for each figure which way is better', () => {
    const verdicts = (before: number[], after: number[]) =>
      changesOf(before, after).map(({ unit, verdict }) => [unit, verdict]);
    expect(verdicts([100, 101, 102], [150, 151, 152])).toEqual([
      ['us CPU', 'worse'],
      ['requests/s', 'worse'],
    ]);
    expect(verdicts([150, 151, 152], [100, 101, 102]).map(([, verdict]) => verdict)).toEqual([
      'better',
      'better',
    ]);
  });

  test('trusts one round less than three', () => {
    expect(changesOf([100], [125]).map(({ verdict }) => verdict)).toEqual(['noise', 'noise']);
    expect(changesOf([100, 100.1, 100.2], [125, 125.1, 125.2])[0]?.verdict).toBe('worse');
  });

  test('says how much did not change, and when nothing can be compared', () => {
    const text = compareText(changesOf([100, 101, 102], [150, 151, 152]));
    expect(text).toContain(
      '| load: 1x50, distinct | us CPU | 101 | 151 | +50 % | ± 10 % | worse |',
    );
    expect(text).toContain('0 of 2 figures');
    expect(compareText(compareRuns(runOf({}), runOf({})))).toContain('no figure in common');
  });
});

describe('the tail at half load', () => {
  const round = (asked: AskedAtHalfLoad, p50Ms: number, p999Ms: number): HalfLoadRound => ({
    asked,
    latencies: { count: 1, p50Ms, p90Ms: p50Ms, p99Ms: p50Ms, p999Ms, maxMs: p999Ms },
    lateP99Ms: 0,
    failed: 0,
    redisWaitedMs: 1,
    clientWaitedMs: 1,
    stolenMs: 0,
    ...(asked === 'sideboard'
      ? { serverWaitedMs: 1, helpersRanMs: 2, servedP99Ms: 3, servedP999Ms: 4 }
      : {}),
  });
  const judge = (...rounds: HalfLoadRound[]) =>
    judgeHalfLoad({ ratePerSecond: 1, rounds })?.isMet ?? 'cannot tell';
  const ours = round('sideboard', 0.2, 5);

  test('is judged by the median of the rounds', () => {
    expect(judge(round('sideboard', 0.2, 0.5), ours, round('sideboard', 0.2, 0.5))).toBe(true);
    expect(judge(ours)).toBe(false);
  });

  test('cannot be told where what is not ours breaks the bar, by its own p50 and by ours', () => {
    expect(judge(ours, round('nghttpd', 0.1, 0.7))).toBe('cannot tell');
    expect(judge(ours, round('nghttpd', 0.1, 0.5))).toBe(false);
    expect(judge(ours, round('nghttpd', 0.3, 0.8))).toBe(false);
    expect(judge(ours, round('nghttpd', 0.1, 0.2), round('bare Redis', 0.1, 0.7))).toBe(
      'cannot tell',
    );
    expect(judge(round('sideboard', 0.2, 0.5), round('nghttpd', 0.1, 0.7))).toBe(true);
  });

  test('is shown beside what the threads waited', () => {
    const table = halfLoadTable({ ratePerSecond: 1, rounds: [ours, round('bare Redis', 0.1, 1)] });
    expect(table).toContain(
      '| **sideboard**, gRPC | 0.20 | 0.20 | 5.00 | 25.0 | 3.00 | 4.00 | 0.00 | 1.00 | 2.00 |',
    );
    expect(table).toMatch(/Redis itself.* \| 10\.0 \| - \| - \| 0\.00 \| - \| - \|/);
  });
});

describe('the bars', () => {
  const spread = (median: number) => ({ min: median, median, max: median });
  const peer = (server: string, cpu: number): Parts['peers'][number] => ({
    server,
    workload: '1x50',
    rounds: 3,
    cpuUsPerRequest: spread(cpu),
    requestsPerSecond: spread(1),
    redisUsPerRequest: spread(1),
    rssMiB: spread(1),
    replyBytes: 1,
  });
  const twelveTimes = (ours: number): string => {
    const text = barsTables({ peers: [peer('sideboard', ours), peer('stock-ts', 600)] }, 2);
    return text.split('\n').find((line) => line.includes('12 times'))!;
  };

  test('are judged by the figures', () => {
    expect(twelveTimes(50)).toContain('| 12.0 times: 50.0 us, stock-ts 600 us | yes |');
    expect(twelveTimes(60)).toContain('| 10.0 times: 60.0 us, stock-ts 600 us | **no** |');
  });

  test('without figures name the part that measures them', () => {
    const rows = barsTables({}, 2)
      .split('\n')
      .filter((line) => line.startsWith('| ') && !line.startsWith('| bar |'));
    expect(rows.length).toBeGreaterThan(30);
    for (const row of rows) expect(row).toMatch(/not measured: `npm run bench -- \w+` \| - \|$/);
  });

  test('do not judge what this machine cannot tell', () => {
    const shards = [1, 3].map((count) => ({
      shards: count,
      workload: '100x50',
      requestsPerSecond: 100,
      cpuUsPerRequest: 1,
      redisUsPerRequest: 1,
      shardBusyShare: 1,
    }));
    const row = (cores: number) =>
      barsTables({ shards }, cores)
        .split('\n')
        .find((line) => line.includes('shards'));
    expect(row(2)).toMatch(/cannot tell \|$/);
    expect(row(8)).toMatch(/\*\*no\*\* \|$/);
  });
});

test('a plot places its points on logarithmic axes', () => {
  const svg = plotSvg({
    title: 'a < b',
    xLabel: 'load',
    yLabel: 'ms',
    lines: [
      {
        label: 'one',
        colour: '#000',
        points: [
          [10, 1],
          [100, 10],
          [1000, 100],
          [0, 5],
        ],
      },
    ],
  });
  const circles = [...svg.matchAll(/cx="([\d.]+)" cy="([\d.]+)"/g)].map(([, x, y]) => [+x!, +y!]);
  expect(circles).toHaveLength(3); // Zero has no place on such an axis.
  const [[x0, y0], [x1, y1], [x2, y2]] = circles as [
    [number, number],
    [number, number],
    [number, number],
  ];
  expect(x1 - x0).toBeCloseTo(x2 - x1, 0);
  expect(y0 - y1).toBeCloseTo(y1 - y2, 0);
  expect(y0).toBeGreaterThan(y1);
  expect(svg).toContain('a &lt; b');
});

test('lines of the collector are added up, and others passed over', () => {
  const lines = [
    '{"msg":"serving"}',
    '[12:0x7a8b000]       84 ms: Scavenge 9.8 (11.2) -> 9.0 (13.7) MB, pooled: 0 MB, 0.60 / 0.00 ms  (average mu = 1.000, current mu = 1.000) allocation failure; ',
    '[12:0x7a8b000]      184 ms: Mark-Compact 30.1 (40.0) -> 20.0 (39.0) MB, pooled: 1 MB, 4.20 / 0.10 ms  (average mu = 0.9, current mu = 0.9) finalize; ',
  ];
  expect(sumGc(lines)).toEqual({ count: 2, totalMs: 4.8, longestMs: 4.2 });
  expect(sumGc([])).toEqual({ count: 0, totalMs: 0, longestMs: 0 });
});

test('what collections move to the old generation is added up, of those of the young one', () => {
  const lines = [
    '[12:0x7a8b000:0]     2197 ms: pause=0.3 mutator=4.1 gc=s reduce_memory=0 allocated=3441888 promoted=4352 quarantined_size=0',
    '[12:0x7a8b000:0]     2201 ms: pause=9.3 mutator=4.1 gc=mc reduce_memory=0 allocated=3441888 promoted=1000 quarantined_size=0',
    '{"level":"info","msg":"serving"}',
    '[12:0x7a8b000:0]     2207 ms: pause=0.2 mutator=4.1 gc=s reduce_memory=0 allocated=3441888 promoted=48 quarantined_size=0',
  ];
  expect(sumPromotedBytes(lines)).toBe(4400);
});

test('what redis-benchmark prints is read by the names of its columns', () => {
  const head =
    '"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"';
  const row = '"HMGET floor f000","9000.00","2.1","1.0","2.000","3.000","4.500","5.000"';
  expect(parseFloor([head, row])).toEqual({ p50Us: 2000, p99Us: 4500 });
  expect(() => parseFloor(['ERR'])).toThrow('ERR');
});

test('the plan has every part that was asked for, and their sum', () => {
  const size = { scenarios: [], rounds: 1, seconds: 1, soakRequests: 15_000, materializedRows: 0 };
  const text = planText(['cold', 'soak'], size);
  expect(text).toMatch(/plan\n +0\.1 min {2}cold\n +0\.1 min {2}soak\n +0\.2 min {2}in all/);
});
