import { runGhz, type GhzReport } from '../load/ghz.ts';
import {
  mergeHistograms,
  summarizeLatencies,
  type LatencySummary,
} from '../load/latency-histogram.ts';
import { JOIN_KEY, entityIds, references } from '../data/official-layout.ts';
import type { Scenario } from '../data/scenario.ts';
import type { SideboardProcess } from '../../test/support/sideboard-process.ts';

/** One scenario through ghz: the calls of all rounds together. */
export interface GhzFigures {
  readonly scenario: string;
  /** `closed`: four workers, each as fast as answers come. `open`: by the clock. */
  readonly loop: 'closed' | 'open';
  /** Asked for; absent in a closed loop. */
  readonly ratePerSecond?: number;
  /** What came of it, the middle of the rounds. */
  readonly requestsPerSecond: number;
  readonly rounds: number;
  readonly count: number;
  readonly errors: number;
  /** From when ghz sent a call. */
  readonly sent: LatencySummary;
  /** Coordinated omission corrected, in the way that `correction` says. */
  readonly corrected: LatencySummary;
  readonly correction: string;
}

export interface MeasureGhzOptions {
  readonly seconds: number;
  readonly entities: number;
  readonly rounds: number;
}

const MESSAGES = 50;
const WORKERS = 4;
/** Not measured: connections, plans, the JIT. */
const FIRST = 5;

/**
 * Runs one scenario through ghz: reflection, real entities in turn; first as fast as it goes, then by the clock at a rate
 * that leaves the server idle most of the time, because ghz has the core to share with Redis.
 */
export async function measureGhz(
  server: SideboardProcess,
  scenario: Scenario,
  { seconds, entities, rounds }: MeasureGhzOptions,
): Promise<GhzFigures[]> {
  const features = references(scenario.features);
  const data = Array.from({ length: MESSAGES }, (_, n) => ({
    features: { val: features },
    entities: {
      [JOIN_KEY]: { val: entityIds(scenario.rows, n, entities).map((id) => ({ int64_val: id })) },
    },
  }));
  const openRate = scenario.rows * scenario.features > 1000 ? 5 : 100;
  const run = (requests: number, ratePerSecond?: number): Promise<GhzReport> =>
    runGhz({
      address: `127.0.0.1:${server.port}`,
      call: 'feast.serving.ServingService/GetOnlineFeatures',
      data,
      concurrency: WORKERS,
      connections: WORKERS,
      requests: Math.max(4 * FIRST, Math.round(requests)),
      skipFirst: FIRST,
      ...(ratePerSecond === undefined ? {} : { ratePerSecond, isOpenLoop: true }),
    });
  const warm = await run(4 * FIRST);
  const figures: GhzFigures[] = [];
  for (const loop of ['closed', 'open'] as const) {
    const rate = loop === 'open' ? openRate : undefined;
    const reports: GhzReport[] = [];
    for (let round = 0; round < rounds; round++) {
      reports.push(await run((rate ?? warm.requestsPerSecond) * seconds, rate));
    }
    figures.push({ scenario: scenario.name, loop, ...mergeReports(reports, rate) });
  }
  return figures;
}

function mergeReports(
  reports: readonly GhzReport[],
  ratePerSecond: number | undefined,
): Omit<GhzFigures, 'scenario' | 'loop'> {
  const sum = (count: (report: GhzReport) => number): number =>
    reports.reduce((total, report) => total + count(report), 0);
  const rates = reports.map(({ requestsPerSecond }) => requestsPerSecond).sort((a, b) => a - b);
  return {
    ...(ratePerSecond === undefined ? {} : { ratePerSecond }),
    requestsPerSecond: rates[Math.floor(rates.length / 2)] ?? Number.NaN,
    rounds: reports.length,
    count: sum(({ count }) => count),
    errors: sum(({ errorCounts }) => Object.values(errorCounts).reduce((a, b) => a + b, 0)),
    sent: summarizeLatencies(mergeHistograms(reports.map(({ latencies }) => latencies))),
    corrected: summarizeLatencies(mergeHistograms(reports.map(({ corrected }) => corrected))),
    correction: reports[0]?.correction ?? '',
  };
}
