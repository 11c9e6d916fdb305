import { runGhz } from './ghz.ts';
import { JOIN_KEY, entityIds, references } from './official-layout.ts';
import type { GhzFigures } from './results.ts';
import type { Scenario } from './scenario.ts';
import type { SideboardProcess } from '../test/support/sideboard-process.ts';

/** Runs one scenario through ghz: reflection, real entities in turn, a rate that leaves the server idle most of the time. */
export async function measureGhz(
  server: SideboardProcess,
  scenario: Scenario,
  { seconds, entities }: { seconds: number; entities: number },
): Promise<GhzFigures> {
  const ratePerSecond = scenario.rows * scenario.features > 1000 ? 5 : 100;
  const features = references(scenario.features);
  const data = Array.from({ length: 50 }, (_, n) => ({
    features: { val: features },
    entities: {
      [JOIN_KEY]: { val: entityIds(scenario.rows, n, entities).map((id) => ({ int64_val: id })) },
    },
  }));
  const report = await runGhz({
    address: `127.0.0.1:${server.port}`,
    call: 'feast.serving.ServingService/GetOnlineFeatures',
    data,
    concurrency: 4,
    connections: 4,
    requests: Math.max(20, Math.round(ratePerSecond * seconds)),
    ratePerSecond,
    skipFirst: 5,
  });
  return {
    scenario: scenario.name,
    ratePerSecond,
    count: report.count,
    errors: Object.values(report.errorCounts).reduce((sum, count) => sum + count, 0),
    p50Ms: report.p50Ms,
    p99Ms: report.p99Ms,
  };
}
