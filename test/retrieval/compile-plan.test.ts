import { expect, test } from 'vitest';
import { compilePlan } from '../../src/retrieval/compile-plan.ts';
import { createMemoryOnlineStore } from '../support/memory-online-store.ts';
import { sharedBuffers } from '../support/shared-buffers.ts';
import { snapshotOf } from './registry-fixture.ts';

test('a plan keeps no memory but its own', () => {
  const snapshot = snapshotOf({
    entities: { e: ['id', 4] },
    views: [
      { name: 'v', entities: ['e'], features: { f: 4, g: 2, h: 5 } },
      { name: 'world', entities: [], features: { rate: 4 } },
    ],
    services: [
      {
        name: 's',
        projections: [{ viewName: 'v', featureNames: ['f', 'g', 'h'] }],
        precomputeOnline: true,
      },
    ],
  });
  const context = {
    snapshot,
    store: createMemoryOnlineStore(),
    entityKeyVersion: 3,
    readEntitylessPushes: true,
    maxFeatures: 10,
    suggests: true,
    runners: { delegates: false, computes: false },
  } as const;
  const selection = { fullFeatureNames: true, includeVersionMetadata: true } as const;
  const columns = { entityColumnNames: ['id'], contextColumnNames: [] };
  const named = { featureService: undefined, features: ['v:f', 'world:rate'] };
  const plan = compilePlan({ ...selection, ...columns, ...named }, context);
  expect(plan.groups[1]!.fallbackKey).toBeDefined();
  expect(sharedBuffers(plan)).toEqual([]);
  const served = { featureService: 's', features: [] };
  const byVectors = compilePlan({ ...selection, ...columns, ...served }, context);
  expect(byVectors.vectors).toBeDefined();
  expect(sharedBuffers(byVectors)).toEqual([]);
});
