import type { Registry } from 'prom-client';
import { VECTOR_RESULTS, type OnVectors } from '../retrieval/vector-result.ts';
import { createTallyCounter, type Tally } from './tally-counter.ts';

/** Counts what became of the precomputed vectors of feature services. */
export function createVectorCounter(registry: Registry): OnVectors {
  const tallyOf = createTallyCounter({
    name: 'feature_server_precomputed_vectors_total',
    help: 'Entities read for services with precompute_online, by what became of their vector: used; else the rows were read, as it was missing, stale (of other rows), unusable (damaged, or without a value for every feature) or skipped (not looked for, as there was none lately).',
    labelNames: ['feature_service', 'result'] as const,
    registers: [registry],
  });
  const talliesOf = new Map<string, readonly Tally[]>();
  return (serviceName, counts) => {
    let tallies = talliesOf.get(serviceName);
    if (tallies === undefined) {
      tallies = VECTOR_RESULTS.map((result) => tallyOf(serviceName, result));
      talliesOf.set(serviceName, tallies);
    }
    for (let result = 0; result < counts.length; result++)
      tallies[result]!.count += counts[result]!;
  };
}
