import { AggregatorRegistry, Registry } from 'prom-client';
import type { MetricsJson } from './message.ts';

/** Metrics of a supervisor and its workers in one. */
export interface CombinedMetrics {
  readonly contentType: string;
  /** Text for Prometheus: counters and histograms added up, gauges as each says (sum, lowest, highest). */
  metrics(): Promise<string>;
  /** Keeps what a worker had counted, so that no counter goes back when it ends. */
  retire(metrics: MetricsJson): void;
}

/** Kinds that only grow. */
const COUNTED: ReadonlySet<unknown> = new Set(['counter', 'histogram']);

/**
 * @param own metrics of the supervisor itself, under names of their own
 * @param collect asks all workers for theirs
 */
export function createCombinedMetrics(
  own: Registry,
  collect: () => Promise<readonly MetricsJson[]>,
): CombinedMetrics {
  /** Of all workers that are gone; one is added after the other. */
  let retired: Promise<MetricsJson> = Promise.resolve([]);
  return {
    contentType: own.contentType,
    async metrics(): Promise<string> {
      // Taken together: a worker that ends meanwhile is among the live ones, and not among the retired ones as well.
      const [before, live] = await Promise.all([retired, collect()]);
      const combined = combine([before, ...live]);
      return `${await combined.metrics()}\n${await own.metrics()}`;
    },
    retire(metrics): void {
      const counted = metrics.filter((metric) => 'type' in metric && COUNTED.has(metric.type));
      retired = retired.then((before) => combine([before, counted]).getMetricsAsJSON());
    },
  };
}

function combine(parts: readonly MetricsJson[]): Registry {
  return AggregatorRegistry.aggregate(
    parts.filter((part) => part.length > 0).map((part) => [...part]),
  );
}
