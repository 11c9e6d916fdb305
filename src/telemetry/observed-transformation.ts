import { Counter, Histogram } from 'prom-client';
import type { Registry } from 'prom-client';
import { isSideboardError } from '../errors.ts';
import type { OnDemandCall, TransformOnDemand } from '../retrieval/on-demand-plan.ts';
import { LATENCY_BUCKETS } from './metrics.ts';

/**
 * Counts and times the runs of functions of on-demand views, and those that fail.
 *
 * @param prefix of the metrics' names: `write_` for those that rows are written by.
 */
export function observeTransformation(
  transform: TransformOnDemand,
  registry: Registry,
  prefix: '' | 'write_' = '',
): TransformOnDemand {
  const registers = [registry];
  const durations = new Histogram({
    name: `feast_feature_server_${prefix}transformation_duration_seconds`,
    help: 'Time of one run of the function of an on-demand view, waiting and copying included, by its mode (typescript, pandas).',
    labelNames: ['odfv_name', 'mode'] as const,
    buckets: LATENCY_BUCKETS,
    registers,
  });
  const errors = new Counter({
    name: `feature_server_${prefix}transformation_errors_total`,
    help: 'Runs of functions of on-demand views that gave no answer, by the code of the error.',
    labelNames: ['odfv_name', 'mode', 'code'] as const,
    registers,
  });
  return async (call, limits) => {
    const startedAtMs = performance.now();
    const labels = { odfv_name: call.viewName, mode: modeOf(call) };
    try {
      return await transform(call, limits);
    } catch (error) {
      errors.inc({ ...labels, code: isSideboardError(error) ? error.code : 'INTERNAL' });
      throw error;
    } finally {
      durations.observe(labels, (performance.now() - startedAtMs) / 1000);
    }
  };
}

/** Feast's transformation server runs functions of one mode alone. */
function modeOf({ functionHash }: OnDemandCall): string {
  return functionHash === undefined ? 'pandas' : 'typescript';
}
