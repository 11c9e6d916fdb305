import { createClient } from '@connectrpc/connect';
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node';
import { build, type Histogram } from 'hdr-histogram-js';
import { ServingService } from '../../../gen/feast/serving/ServingService_pb.ts';
import { say } from './print-step.ts';

const WARM_UP_CALLS = 300;
const MEASURED_MS = 1_500;
const BAR_WIDTH = 40;
const BATCH_ROWS = 100;
const FIRST_ZIPCODE = 94_100;
const ZIPCODES = 50;

/**
 * Calls a server one call after the other, with one row and then with a hundred, and prints how long the calls took. The
 * client is in the same process as the server, so that both share one core: a figure to compare runs with, not a benchmark.
 */
export async function measureLatency(server: string, applicant: string): Promise<void> {
  const sessionManager = new Http2SessionManager(server);
  const transport = createGrpcTransport({ baseUrl: server, sessionManager });
  const client = createClient(ServingService, transport);
  try {
    for (const rowCount of [1, BATCH_ROWS]) {
      const request = requestFor(rowCount, applicant);
      const call = async (): Promise<void> => {
        await client.getOnlineFeatures(request, { timeoutMs: 5_000 });
      };
      for (let count = 0; count < WARM_UP_CALLS; count++) await call();
      printHistogram(
        `${rowCount} ${rowCount === 1 ? 'row' : 'rows'} x 13 features`,
        await measure(call),
      );
    }
  } finally {
    sessionManager.abort();
  }
}

function requestFor(rowCount: number, applicant: string) {
  const rows = Array.from({ length: rowCount }, (_, row) => row);
  const zipcodes = rows.map((row) => BigInt(FIRST_ZIPCODE + (row % ZIPCODES)));
  return {
    kind: { case: 'featureService' as const, value: 'loan_decision' },
    entities: {
      zipcode: { val: zipcodes.map((value) => ({ val: { case: 'int64Val' as const, value } })) },
      dob_ssn: {
        val: rows.map(() => ({ val: { case: 'stringVal' as const, value: applicant } })),
      },
    },
  };
}

/** Microseconds of each call. */
async function measure(call: () => Promise<void>): Promise<Histogram> {
  const histogram = build({ numberOfSignificantValueDigits: 3 });
  const endAtMs = performance.now() + MEASURED_MS;
  for (let startMs = performance.now(); startMs < endAtMs; startMs = performance.now()) {
    await call();
    histogram.recordValue(Math.max(1, Math.round((performance.now() - startMs) * 1000)));
  }
  return histogram;
}

function printHistogram(title: string, histogram: Histogram): void {
  const at = (percentile: number): string =>
    milliseconds(histogram.getValueAtPercentile(percentile));
  say(
    `${title}: ${histogram.totalCount} calls, p50 ${at(50)}, p90 ${at(90)}, p99 ${at(99)}, p99.9 ${at(99.9)}, max ${at(100)}`,
  );
  const bars = bucketsOf(histogram);
  const most = Math.max(...bars.map(({ count }) => count));
  for (const { upToMicros, count } of bars) {
    const bar = '█'.repeat(Math.max(1, Math.round((BAR_WIDTH * count) / most)));
    say(`${`<= ${milliseconds(upToMicros)}`.padStart(14)} ${bar} ${count}`);
  }
  say('');
}

/** Calls by how long they took, each bucket half as long again (a factor of 1.41) as the one before; empty ones are left out. */
function bucketsOf(histogram: Histogram): { upToMicros: number; count: number }[] {
  const bars: { upToMicros: number; count: number }[] = [];
  let counted = 0;
  const longest = histogram.maxValue;
  for (let step = 0; counted < histogram.totalCount; step++) {
    const upToMicros = Math.min(longest, Math.round(50 * Math.SQRT2 ** step));
    const total = countAtOrBelow(histogram, upToMicros);
    const count = total - counted;
    if (count > 0) bars.push({ upToMicros, count });
    counted = total;
    if (upToMicros >= longest) break;
  }
  return bars;
}

/** How many calls took at most so long, by bisecting the percentiles. */
function countAtOrBelow(histogram: Histogram, micros: number): number {
  let low = 0;
  let high = histogram.totalCount;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    const value = histogram.getValueAtPercentile((100 * middle) / histogram.totalCount);
    if (value <= micros) low = middle;
    else high = middle - 1;
  }
  return low;
}

function milliseconds(micros: number): string {
  return `${(micros / 1000).toFixed(micros < 10_000 ? 2 : 1)} ms`;
}
