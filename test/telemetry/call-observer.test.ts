import { expect, test } from 'vitest';
import { createCallObserver } from '../../src/telemetry/call-observer.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';

const READ = '/feast.serving.ServingService/GetOnlineFeatures';

test('a call that is turned away by its head counts as one that was refused', async () => {
  const metrics = createMetrics();
  const counts = { answeredCount: 0, failedCount: 0 };
  const observer = createCallObserver(metrics, createLogger('silent'), {
    knownPaths: new Set([READ]),
    counts,
  });
  for (let i = 0; i < 3; i++) observer.onTurnedAway?.(READ);
  const text = await metrics.registry.metrics();
  expect(text).toMatch(/rpc_duration_seconds_count\{[^}]*code="RESOURCE_EXHAUSTED"[^}]*\} 3\n/);
  expect(text).toMatch(/request_total\{[^}]*status="error"[^}]*\} 3\n/);
  expect(counts).toEqual({ answeredCount: 3, failedCount: 0 });
});
