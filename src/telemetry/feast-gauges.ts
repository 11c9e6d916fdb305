import { totalmem } from 'node:os';
import { Gauge, type Registry } from 'prom-client';
import type { RegistrySnapshot } from '../registry/registry-model.ts';

/** CPU and memory of the process under Feast's names and in its units, both in percent. */
export function addProcessGauges(registers: Registry[]): void {
  let before = { ...process.cpuUsage(), atMs: performance.now() };
  const cpu: Gauge = new Gauge({
    name: 'feast_feature_server_cpu_usage',
    help: 'CPU of the process since the last scrape, percent of one core.',
    registers,
    collect: (): void => {
      const now = { ...process.cpuUsage(), atMs: performance.now() };
      const usedMs = (now.user + now.system - before.user - before.system) / 1000;
      cpu.set((100 * usedMs) / Math.max(1, now.atMs - before.atMs));
      before = now;
    },
  });
  const memory: Gauge = new Gauge({
    name: 'feast_feature_server_memory_usage',
    help: 'Resident memory of the process, percent of the memory of the machine.',
    registers,
    collect: (): void => memory.set((100 * process.memoryUsage.rss()) / totalmem()),
  });
}

/** How far behind the newest materialization of each view is; views that were never materialized have no sample. */
export function addFreshnessGauge(registers: Registry[], snapshot: () => RegistrySnapshot): void {
  const gauge: Gauge<'feature_view' | 'project'> = new Gauge({
    name: 'feast_feature_freshness_seconds',
    help: 'Time since the end of the last materialization, by feature view.',
    labelNames: ['feature_view', 'project'] as const,
    registers,
    aggregator: 'max',
    collect: (): void => {
      gauge.reset();
      const { views, project } = snapshot();
      const nowSeconds = Date.now() / 1000;
      for (const { name, materialization } of views.values()) {
        const untilNs = materialization?.materializedUntilNs;
        if (untilNs === undefined) continue;
        gauge.set(
          { feature_view: name, project },
          nowSeconds - Number(untilNs / 1_000_000n) / 1000,
        );
      }
    },
  });
}
