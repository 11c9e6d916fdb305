import { describe, expect, test, vi } from 'vitest';
import { SideboardError } from '../../src/errors.ts';
import type { RegistryDefinitions } from '../../src/registry/registry-model.ts';
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

const SNAPSHOT = snapshotOf({
  entities: { e: ['id', 4] },
  views: [
    { name: 'v', entities: ['e'], features: { f: 4 } },
    { name: 'w', entities: ['e'], features: { f: 4 } },
  ],
});

const planOf = (sizeBytes: number) => ({ sizeBytes }) as RetrievalPlan;

test('compiles a selection once', () => {
  const compile = vi.fn(() => planOf(100));
  const cache = createPlanCache(100_000, compile);
  const plan = cache.planFor(requestFor('a'), SNAPSHOT);
  expect(cache.planFor(requestFor('a'), SNAPSHOT)).toBe(plan);
  expect(cache.planFor(requestFor('b'), SNAPSHOT)).not.toBe(plan);
  expect(compile).toHaveBeenCalledTimes(2);
});

test('a wrong selection is a cached error; a bug of ours is not cached', () => {
  const wrong = vi.fn((): RetrievalPlan => {
    throw new SideboardError('FEATURE_NOT_FOUND', 'no');
  });
  const cache = createPlanCache(100_000, wrong);
  for (let i = 0; i < 3; i++) expect(() => cache.planFor(requestFor('a'), SNAPSHOT)).toThrow('no');
  expect(wrong).toHaveBeenCalledTimes(1);

  const broken = vi.fn((): RetrievalPlan => {
    throw new TypeError('oops');
  });
  const other = createPlanCache(100_000, broken);
  for (let i = 0; i < 3; i++)
    expect(() => other.planFor(requestFor('a'), SNAPSHOT)).toThrow(TypeError);
  expect(broken).toHaveBeenCalledTimes(3);
});

test('stays within its bytes, and keeps what is used', () => {
  const compile = vi.fn(() => planOf(1000));
  const cache = createPlanCache(40_000, compile);
  for (let i = 0; i < 1000; i++) {
    cache.planFor(requestFor(`once${i}`), SNAPSHOT);
    cache.planFor(requestFor('often'), SNAPSHOT);
  }
  // Every other selection was new; the one in use was compiled once.
  expect(compile).toHaveBeenCalledTimes(1001);
  compile.mockClear();
  for (let i = 990; i < 1000; i++) cache.planFor(requestFor(`once${i}`), SNAPSHOT);
  const recent = compile.mock.calls.length;
  expect(recent).toBeLessThanOrEqual(5);
  compile.mockClear();
  cache.planFor(requestFor('once0'), SNAPSHOT);
  expect(compile).toHaveBeenCalledTimes(1);
});

test('what is larger than half of it is compiled each time', () => {
  const compile = vi.fn(() => planOf(1000));
  const cache = createPlanCache(1500, compile);
  cache.planFor(requestFor('a'), SNAPSHOT);
  cache.planFor(requestFor('a'), SNAPSHOT);
  expect(compile).toHaveBeenCalledTimes(2);
});

test('a view that changed is compiled anew, and nothing of the old one is answered', async () => {
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
  current = { ...before, views: new Map(before.views).set('w', after.views.get('v')!) };
  await ask(fixture, question);
  expect(prepare).toHaveBeenCalledTimes(1);
  current = after;
  await expect(ask(fixture, question)).rejects.toMatchObject({ code: 'FEATURE_NOT_FOUND' });
  current = before;
  await ask(fixture, question);
  expect(prepare).toHaveBeenCalledTimes(2);
});

/** The same but for one of the maps. */
const changed = (change: Partial<RegistryDefinitions>): RegistryDefinitions => ({
  ...SNAPSHOT,
  entities: new Map(SNAPSHOT.entities),
  views: new Map(SNAPSHOT.views),
  viewVersions: new Map(SNAPSHOT.viewVersions),
  featureServices: new Map(SNAPSHOT.featureServices),
  ...change,
});

/** As `compilePlan`: looks up a view, and what else it is told to. */
function cacheThat(looksAt: (definitions: RegistryDefinitions) => unknown = () => undefined) {
  const compile = vi.fn((_: unknown, definitions: RegistryDefinitions) => {
    definitions.views.get('v');
    looksAt(definitions);
    return planOf(100);
  });
  const cache = createPlanCache(100_000, compile);
  cache.planFor(requestFor('v:f'), SNAPSHOT);
  /** Whether it was compiled again. */
  const isCompiledFor = (snapshot: RegistryDefinitions): boolean => {
    compile.mockClear();
    cache.planFor(requestFor('v:f'), snapshot);
    return compile.mock.calls.length > 0;
  };
  return { cache, compile, isCompiledFor };
}

const view = SNAPSHOT.views.get('v')!;
const service = {
  name: 's',
  projections: [],
  precomputeOnline: false,
  tags: {},
  owner: '',
  description: '',
};

describe('a new snapshot', () => {
  test('in which nothing changed costs nothing, time and again', () => {
    const { isCompiledFor } = cacheThat();
    for (let i = 0; i < 5; i++) expect(isCompiledFor(changed({}))).toBe(false);
  });

  test('in which another view changed, or is new, costs nothing', () => {
    const { isCompiledFor } = cacheThat();
    const views = new Map(SNAPSHOT.views).set('w', { ...view, name: 'w' });
    expect(isCompiledFor(changed({ views }))).toBe(false);
    views.set('x', { ...view, name: 'x' });
    expect(isCompiledFor(changed({ views: new Map(views) }))).toBe(false);
  });

  test('in which the view says something else, or is gone, is compiled for', () => {
    const { isCompiledFor } = cacheThat();
    const views = new Map(SNAPSHOT.views).set('v', { ...view });
    expect(isCompiledFor(changed({ views }))).toBe(true);
    const others = new Map(SNAPSHOT.views);
    others.delete('v');
    expect(isCompiledFor(changed({ views: others }))).toBe(true);
  });

  test.each<[string, (definitions: RegistryDefinitions) => unknown, Partial<RegistryDefinitions>]>([
    [
      'a service that was not there is',
      ({ featureServices }) => featureServices.get('s'),
      { featureServices: new Map([['s', service]]) },
    ],
    [
      'a view is now there',
      ({ views }) => views.has('x'),
      { views: new Map(SNAPSHOT.views).set('x', view) },
    ],
    [
      'a version is another',
      ({ viewVersions }) => viewVersions.get('v'),
      { viewVersions: new Map(SNAPSHOT.viewVersions).set('v', new Map([[1, view]])) },
    ],
    ['versions are switched on', () => undefined, { versioningEnabled: true }],
    ['the project is another', () => undefined, { project: 'other' }],
    [
      'all entities were looked at and they are others',
      ({ entities }) => [...entities.values()],
      {},
    ],
    ['they were counted', ({ entities }) => entities.size, {}],
    ['their names were looked at', ({ entities }) => [...entities.keys()], {}],
    ['they were looked at one by one', ({ entities }) => [...entities], {}],
    ['or so', ({ entities }) => [...entities.entries()], {}],
    ['or else so', ({ entities }) => entities.forEach(() => undefined), {}],
  ])('in which %s is compiled for, by those alone who looked', (_, looksAt, change) => {
    expect(cacheThat(looksAt).isCompiledFor(changed(change))).toBe(true);
    const isForAll = 'project' in change || 'versioningEnabled' in change;
    expect(cacheThat().isCompiledFor(changed(change))).toBe(isForAll);
  });

  test('keeps all entities that were looked at if they are the same', () => {
    const { entities } = SNAPSHOT;
    const { isCompiledFor } = cacheThat((definitions) => [...definitions.entities.values()]);
    expect(isCompiledFor(changed({ entities }))).toBe(false);
  });

  test('heals a selection that was wrong', () => {
    const compile = vi.fn((_: unknown, { views }: RegistryDefinitions) => {
      if (!views.has('x')) throw new SideboardError('FEATURE_VIEW_NOT_FOUND', 'no x');
      return planOf(100);
    });
    const cache = createPlanCache(100_000, compile);
    expect(() => cache.planFor(requestFor('x:f'), SNAPSHOT)).toThrow('no x');
    expect(() => cache.planFor(requestFor('x:f'), changed({}))).toThrow('no x');
    expect(compile).toHaveBeenCalledTimes(1);
    const views = new Map(SNAPSHOT.views).set('x', view);
    cache.planFor(requestFor('x:f'), changed({ views }));
    expect(compile).toHaveBeenCalledTimes(2);
  });

  test('forgets what nobody asked for since the one before', () => {
    const { cache, isCompiledFor } = cacheThat();
    cache.planFor(requestFor('w:f'), changed({}));
    cache.planFor(requestFor('w:f'), changed({}));
    expect(isCompiledFor(SNAPSHOT)).toBe(true);
  });
});

function registry() {
  return {
    ageMs: () => 0,
    onChange: () => () => undefined,
    refresh: async () => false,
    close: async () => undefined,
  };
}
