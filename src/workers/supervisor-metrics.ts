import { Counter, Gauge, Registry } from 'prom-client';
import type { Supervisor } from './supervisor.ts';

/** Metrics of the supervisor itself; those of the requests are its workers'. */
export function createSupervisorMetrics(supervisor: () => Supervisor): Registry {
  const registry = new Registry();
  const registers = [registry];
  const gauge = (name: string, help: string, read: () => number): void => {
    const made: Gauge = new Gauge({ name, help, registers, collect: (): void => made.set(read()) });
  };
  gauge('feature_server_workers', 'Workers that serve.', () => supervisor().serving.length);
  const restarts: Counter = new Counter({
    name: 'feature_server_worker_restarts_total',
    help: 'Workers that were started again after they had ended by themselves.',
    registers,
    collect(): void {
      restarts.reset();
      restarts.inc(supervisor().restartCount);
    },
  });
  gauge('feature_server_supervisor_memory_bytes', 'Resident memory of the supervisor.', () =>
    process.memoryUsage.rss(),
  );
  return registry;
}
