import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { expect, test } from 'vitest';
import { RegistrySchema } from '../../gen/feast/core/Registry_pb.ts';
import type { RegistrySnapshot } from '../../src/registry/registry-model.ts';
import { buildRegistrySnapshot } from '../../src/registry/registry-snapshot.ts';
import { createCombinedMetrics } from '../../src/workers/combined-metrics.ts';
import { createMetrics, type Metrics } from '../../src/telemetry/metrics.ts';

/** Metrics of a worker, as it sends them. */
const sent = (metrics: Metrics): Promise<readonly object[]> => metrics.registry.getMetricsAsJSON();

function snapshotOf(lastUpdatedMs: number): RegistrySnapshot {
  return buildRegistrySnapshot(
    create(RegistrySchema, { versionId: 'v1', lastUpdated: timestampFromMs(lastUpdatedMs) }),
    { project: 'rides', versioningEnabled: false },
  );
}

function combine(workers: readonly Metrics[]) {
  const own = new Registry();
  const gauge = new Gauge({ name: 'own', help: 'Of the supervisor.', registers: [own] });
  gauge.set(7);
  return createCombinedMetrics(own, () => Promise.all(workers.map(sent)));
}

/** `name{labels}` → value. */
function parse(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => [
      line.slice(0, line.lastIndexOf(' ')),
      Number(line.slice(line.lastIndexOf(' '))),
    ]),
  );
}

const ENDPOINT = '/feast.serving.ServingService/GetOnlineFeatures';
const TOTAL = `feast_feature_server_request_total{endpoint="${ENDPOINT}",status="success"}`;
const BUCKET = `feature_server_rpc_duration_seconds_bucket{le="0.005",method="${ENDPOINT}",code="OK"}`;
const COUNT = `feature_server_rpc_duration_seconds_count{method="${ENDPOINT}",code="OK"}`;

test('counters and histograms of all workers are added up, beside those of the supervisor', async () => {
  const workers = [createMetrics(), createMetrics(), createMetrics()];
  for (const [i, worker] of workers.entries()) {
    for (let n = 0; n <= i; n++) worker.observeRequest(ENDPOINT, 'OK', true, 4);
  }
  workers[2]!.observeRequest(ENDPOINT, 'OK', true, 400);
  const found = parse(await combine(workers).metrics());
  expect(found.get(TOTAL)).toBe(7);
  expect(found.get(COUNT)).toBe(7);
  expect(found.get(BUCKET)).toBe(6);
  expect(found.get('own')).toBe(7);
});

test('gauges become what each says: sums, the oldest registry, the certificate that expires first', async () => {
  const workers = [1, 2].map((n) => {
    const metrics = createMetrics();
    metrics.watch({
      inFlightCount: () => n,
      admission: { limit: n * 8, waitingCount: 0, refusedCount: { limit: n, deadline: 0 } },
      connectionCount: () => n * 10,
      registryAgeMs: () => n * 1000,
      registrySnapshot: () => snapshotOf(n * 1000),
    });
    metrics.watchCertificate(() => n * 1000);
    return metrics;
  });
  const found = parse(await combine(workers).metrics());
  expect(found.get('feature_server_inflight_requests')).toBe(3);
  expect(found.get('feature_server_http2_connections')).toBe(30);
  expect(found.get('feature_server_admission_limit')).toBe(24);
  expect(found.get('feature_server_admission_refused_total{reason="limit"}')).toBe(3);
  expect(found.get('feature_server_registry_age_seconds')).toBe(2);
  expect(found.get('feature_server_registry_info{version="v1"}')).toBe(1);
  expect(found.get('feature_server_registry_last_updated_seconds')).toBe(1);
  expect(found.get('feature_server_tls_certificate_expiry_timestamp_seconds')).toBe(1);
});

test('no counter goes back when a worker ends, and no gauge keeps what it held', async () => {
  const workers = [createMetrics(), createMetrics()];
  for (const worker of workers) worker.observeRequest(ENDPOINT, 'OK', true, 4);
  const [leaving] = workers;
  leaving!.watch({
    inFlightCount: () => 5,
    admission: { limit: 8, waitingCount: 0, refusedCount: { limit: 1, deadline: 0 } },
    connectionCount: () => 0,
    registryAgeMs: () => 0,
    registrySnapshot: () => snapshotOf(0),
  });
  const combined = combine(workers);
  const before = parse(await combined.metrics());
  combined.retire(await sent(leaving!));
  workers.shift();
  for (let i = 0; i < 3; i++) {
    const fresh = createMetrics();
    fresh.observeRequest(ENDPOINT, 'OK', true, 4);
    combined.retire(await sent(fresh));
  }
  const after = parse(await combined.metrics());
  expect(before.get(TOTAL)).toBe(2);
  expect(after.get(TOTAL)).toBe(5);
  expect(after.get(COUNT)).toBe(5);
  expect(after.get(BUCKET)).toBe(5);
  expect(before.get('feature_server_inflight_requests')).toBe(5);
  expect(after.get('feature_server_inflight_requests')).toBeUndefined();
});

test('workers that have nothing to say, and metrics that only one has, are no mistake', async () => {
  const registry = new Registry();
  const only = new Counter({ name: 'only', help: 'Of one.', registers: [registry] });
  only.inc(2);
  registry.registerMetric(new Histogram({ name: 'empty', help: 'Nothing yet.', registers: [] }));
  const combined = createCombinedMetrics(new Registry(), async () => [
    [],
    await registry.getMetricsAsJSON(),
  ]);
  expect(parse(await combined.metrics()).get('only')).toBe(2);
  const none = createCombinedMetrics(new Registry(), () => Promise.resolve([]));
  expect((await none.metrics()).trim()).toBe('');
});
