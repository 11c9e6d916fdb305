import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import type { RegistrySnapshot, ViewDefinition } from '../../src/registry/registry-model.ts';
import { addFreshnessGauge, addProcessGauges } from '../../src/telemetry/feast-gauges.ts';

async function samplesOf(registry: Registry): Promise<Readonly<Record<string, number>>> {
  const lines = (await registry.metrics()).split('\n').filter((line) => line.startsWith('feast_'));
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]),
  );
}

test('CPU and memory are percentages, as in Feast', async () => {
  const registry = new Registry();
  addProcessGauges([registry]);
  const until = performance.now() + 20;
  while (performance.now() < until);
  const samples = await samplesOf(registry);
  expect(samples['feast_feature_server_cpu_usage']).toBeGreaterThan(0);
  expect(samples['feast_feature_server_memory_usage']).toBeGreaterThan(0);
  expect(samples['feast_feature_server_memory_usage']).toBeLessThan(100);
});

test('views that were materialized have their freshness, of the registry in use', async () => {
  const registry = new Registry();
  const ago = (seconds: number): bigint => BigInt(Date.now() - seconds * 1000) * 1_000_000n;
  const view = (name: string, materializedUntilNs?: bigint): [string, ViewDefinition] => [
    name,
    { name, materialization: { materializedUntilNs } } as unknown as ViewDefinition,
  ];
  let snapshot = { project: 'rides', views: new Map([view('a', ago(60)), view('never')]) };
  addFreshnessGauge([registry], () => snapshot as unknown as RegistrySnapshot);
  const name = (feature: string): string =>
    `feast_feature_freshness_seconds{feature_view="${feature}",project="rides"}`;
  const first = await samplesOf(registry);
  expect(Object.keys(first)).toEqual([name('a')]);
  expect(first[name('a')]).toBeGreaterThanOrEqual(59.9);
  expect(first[name('a')]).toBeLessThan(90);
  snapshot = { ...snapshot, views: new Map([view('b', ago(5))]) };
  expect(Object.keys(await samplesOf(registry))).toEqual([name('b')]);
});
