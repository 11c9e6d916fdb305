import { Counter, Histogram, Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { createTallyCounter } from '../../src/telemetry/tally-counter.ts';
import { TallyHistogram } from '../../src/telemetry/tally-histogram.ts';

const BUCKETS = [0.5, 1, 2.5];
/** On both sides of every bound, and on it. */
const VALUES = [0, 0.25, 0.5, 0.75, 1, 1, 2.4, 2.5, 2.6, 1e9];
const LABELS = [
  ['/a', 'OK'],
  ['/a', 'NOT_FOUND'],
  ['/b "quoted"', 'OK'],
] as const;

/** As text and as what workers send; without the exemplars that nobody sets. */
async function exposed(registry: Registry): Promise<unknown> {
  const json = JSON.stringify(await registry.getMetricsAsJSON(), (key, value: unknown) =>
    key === 'exemplar' ? undefined : value,
  );
  return [await registry.metrics(), JSON.parse(json)];
}

test.each([{ labelNames: ['path', 'code'] }, { labelNames: [] }])(
  'a histogram of tallies with the labels $labelNames looks like one of prom-client',
  async ({ labelNames }) => {
    const [ours, theirs] = [new Registry(), new Registry()];
    const config = { name: 'seconds', help: 'Time.', labelNames, buckets: BUCKETS };
    const tallies = new TallyHistogram({ ...config, registers: [ours] });
    const histogram = new Histogram({ ...config, registers: [theirs] });
    expect(await exposed(ours)).toEqual(await exposed(theirs));
    for (const [i, value] of VALUES.entries()) {
      const labels = labelNames.length === 0 ? [] : LABELS[i % LABELS.length]!;
      tallies.tallyOf(...labels).observe(value);
      histogram.labels(...labels).observe(value);
      expect(await exposed(ours)).toEqual(await exposed(theirs));
    }
  },
);

test.each([{ labelNames: ['path', 'code'] }, { labelNames: [] }])(
  'a counter of tallies with the labels $labelNames looks like one of prom-client',
  async ({ labelNames }) => {
    const [ours, theirs] = [new Registry(), new Registry()];
    const config = { name: 'requests', help: 'Requests.', labelNames };
    const tallyOf = createTallyCounter({ ...config, registers: [ours] });
    const counter = new Counter({ ...config, registers: [theirs] });
    expect(await exposed(ours)).toEqual(await exposed(theirs));
    for (let count = 1; count < 7; count++) {
      const labels = labelNames.length === 0 ? [] : LABELS[count % LABELS.length]!;
      tallyOf(...labels).count += count;
      counter.labels(...labels).inc(count);
      expect(await exposed(ours)).toEqual(await exposed(theirs));
    }
  },
);

test('a tally that has counted nothing is not shown', async () => {
  const registry = new Registry();
  const tallyOf = createTallyCounter({
    name: 'requests',
    help: 'Requests.',
    labelNames: ['code'],
    registers: [registry],
  });
  tallyOf('OK');
  expect(await registry.metrics()).not.toContain('OK');
});
