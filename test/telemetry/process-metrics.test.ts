import { collectDefaultMetrics, Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { addProcessMetrics } from '../../src/telemetry/process-metrics.ts';

async function namesOf(registry: Registry): Promise<string[]> {
  return (await registry.getMetricsAsJSON()).map(({ name }) => name).toSorted();
}

test('the metrics of the process are the default ones but for the one that observes collections', async () => {
  const [ours, theirs] = [new Registry(), new Registry()];
  addProcessMetrics(ours);
  collectDefaultMetrics({ register: theirs });
  const expected = (await namesOf(theirs)).filter((name) => name !== 'nodejs_gc_duration_seconds');
  expect(await namesOf(ours)).toEqual(expected);
});
