import { expect, test, vi } from 'vitest';
import { SideboardError } from '../../src/errors.ts';
import { createPlanCache } from '../../src/retrieval/plan-cache.ts';
import type { RetrievalPlan } from '../../src/retrieval/retrieval-plan.ts';
import { requestFromColumns } from '../../src/retrieval/request-from-columns.ts';
import { ask, fixtureOf } from './ask.ts';
import { snapshotOf, type RegistrySpec } from './registry-fixture.ts';
import { createFeatureReader } from '../../src/retrieval/feature-reader.ts';
import { LIMITS, SEMANTICS } from './ask.ts';

const requestFor = (feature: string) =>
  requestFromColumns(
    {
      featureService: undefined,
      features: [feature],
      fullFeatureNames: false,
      includeVersionMetadata: false,
    },
    [],
  );

const planOf = (sizeBytes: number) => ({ sizeBytes }) as RetrievalPlan;

test('compiles a selection once', () => {
  const compile = vi.fn(() => planOf(100));
  const cache = createPlanCache(100_000, compile);
  const plan = cache.planFor(requestFor('a'));
  expect(cache.planFor(requestFor('a'))).toBe(plan);
  expect(cache.planFor(requestFor('b'))).not.toBe(plan);
  expect(compile).toHaveBeenCalledTimes(2);
});

test('a wrong selection is a cached error; a bug of ours is not cached', () => {
  const wrong = vi.fn((): RetrievalPlan => {
    throw new SideboardError('FEATURE_NOT_FOUND', 'no');
  });
  const cache = createPlanCache(100_000, wrong);
  for (let i = 0; i < 3; i++) expect(() => cache.planFor(requestFor('a'))).toThrow('no');
  expect(wrong).toHaveBeenCalledTimes(1);

  const broken = vi.fn((): RetrievalPlan => {
    throw new TypeError('oops');
  });
  const other = createPlanCache(100_000, broken);
  for (let i = 0; i < 3; i++) expect(() => other.planFor(requestFor('a'))).toThrow(TypeError);
  expect(broken).toHaveBeenCalledTimes(3);
});

test('stays within its bytes, and keeps what is used', () => {
  const compile = vi.fn(() => planOf(1000));
  const cache = createPlanCache(20_000, compile);
  for (let i = 0; i < 1000; i++) {
    cache.planFor(requestFor(`once${i}`));
    cache.planFor(requestFor('often'));
  }
  // Every other selection was new; the one in use was compiled once.
  expect(compile).toHaveBeenCalledTimes(1001);
  compile.mockClear();
  for (let i = 990; i < 1000; i++) cache.planFor(requestFor(`once${i}`));
  const recent = compile.mock.calls.length;
  expect(recent).toBeLessThanOrEqual(5);
  compile.mockClear();
  cache.planFor(requestFor('once0'));
  expect(compile).toHaveBeenCalledTimes(1);
});

test('what is larger than half of it is compiled each time', () => {
  const compile = vi.fn(() => planOf(1000));
  const cache = createPlanCache(1500, compile);
  cache.planFor(requestFor('a'));
  cache.planFor(requestFor('a'));
  expect(compile).toHaveBeenCalledTimes(2);
});

test('a new snapshot starts anew, and nothing of the old one is answered', async () => {
  const spec: RegistrySpec = {
    entities: { e: ['id', 4] },
    views: [{ name: 'v', entities: ['e'], features: { f: 4 } }],
  };
  const before = snapshotOf(spec);
  const after = snapshotOf({
    ...spec,
    views: [{ name: 'v', entities: ['e'], features: { g: 4 } }],
  });
  let current = before;
  const { store } = fixtureOf(before);
  const prepare = vi.spyOn(store, 'prepare');
  const reader = createFeatureReader({
    registry: { ...registry(), current: () => current },
    store,
    entityKeyVersion: 3,
    limits: LIMITS,
    semantics: SEMANTICS,
  });
  const fixture = { reader, store, snapshot: before };
  const question = { features: ['v:f'], entities: { id: [] } };
  await ask(fixture, question);
  await ask(fixture, question);
  expect(prepare).toHaveBeenCalledTimes(1);
  current = after;
  await expect(ask(fixture, question)).rejects.toMatchObject({ code: 'FEATURE_NOT_FOUND' });
  current = before;
  await ask(fixture, question);
  expect(prepare).toHaveBeenCalledTimes(2);
});

function registry() {
  return {
    ageMs: () => 0,
    onChange: () => () => undefined,
    refresh: async () => false,
    close: async () => undefined,
  };
}
