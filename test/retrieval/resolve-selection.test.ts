import { describe, expect, test } from 'vitest';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import type { OnDemandDefinition } from '../../src/registry/registry-model.ts';
import { encodeTimestamp } from '../../src/feast-encoding/timestamp.ts';
import { parseFeatureReference } from '../../src/retrieval/feature-reference.ts';
import { ask, codeOf, columnOf, encoded, errorOf, fixtureOf, namesOf, put } from './ask.ts';
import { snapshotOf, type RegistrySpec } from './registry-fixture.ts';

const { INT64, STRING } = ValueType;
const entities = { cust: ['cust_id', INT64] } as const;
const id = { cust_id: [['int64Val', 1n]] } as const;

test.each([
  ['v:f', 'v', undefined, 'f'],
  ['v:f:g', 'v', undefined, 'f:g'],
  [':f', '', undefined, 'f'],
  ['v:', 'v', undefined, ''],
  ['v@v2:f', 'v', 2, 'f'],
  ['v@V02:f', 'v', 2, 'f'],
  ['v@v0:f', 'v', 0, 'f'],
  ['v@latest:f', 'v', undefined, 'f'],
  ['v@LATEST:f', 'v', undefined, 'f'],
  ['v@:f', 'v', undefined, 'f'],
  ['v@x:f', 'v@x', undefined, 'f'],
  ['v@1:f', 'v@1', undefined, 'f'],
  ['v@v-1:f', 'v@v-1', undefined, 'f'],
  ['v@version1:f', 'v@version1', undefined, 'f'],
  ['a@b@v3:f', 'a@b', 3, 'f'],
])('reference %s', (reference, viewName, version, featureName) => {
  expect(parseFeatureReference(reference)).toEqual({ viewName, version, featureName });
});

describe('versions', () => {
  const spec: RegistrySpec = {
    entities,
    versioningEnabled: true,
    views: [
      { name: 'rates', entities: ['cust'], features: { b: INT64, c: INT64 }, versionNumber: 2 },
      { name: 'plain', entities: ['cust'], features: { p: INT64 } },
    ],
    olderViews: [
      { name: 'rates', entities: ['cust'], features: { a: INT64, b: INT64 }, versionNumber: 0 },
      {
        name: 'rates',
        entities: ['cust'],
        features: { a: INT64, b: INT64, c: INT64 },
        versionNumber: 1,
      },
    ],
    services: [
      {
        name: 'mixed',
        projections: [
          { viewName: 'rates', featureNames: ['a'], versionTag: 1, alias: 'r' },
          { viewName: 'rates', featureNames: ['b'] },
        ],
      },
    ],
  };
  const fixture = fixtureOf(snapshotOf(spec));
  for (const [storedName, base] of [
    ['rates', 0n],
    ['rates_v1', 10n],
    ['rates_v2', 20n],
  ] as const) {
    put(fixture.store, { cust_id: { type: INT64, value: 1n } }, storedName, encodeTimestamp(1n), {
      a: encoded(['int64Val', base]),
      b: encoded(['int64Val', base + 1n]),
      c: encoded(['int64Val', base + 2n]),
    });
  }

  test('have rows and names of their own; the current one is read where none is named', async () => {
    const features = ['rates@v0:b', 'rates@V01:b', 'rates:b', 'plain@v0:p'];
    const response = await ask(fixture, {
      features,
      entities: id,
      fullFeatureNames: true,
      includeVersions: true,
    });
    expect(namesOf(response).slice(1)).toEqual([
      'rates@v0__b',
      'rates@v1__b',
      'rates__b',
      'plain@v0__p',
    ]);
    expect(response.results.slice(1, 4).map(({ values }) => values[0]!.val.value)).toEqual([
      1n,
      11n,
      21n,
    ]);
    expect(response.metadata?.featureViewMetadata).toMatchObject([
      { name: 'rates', version: 0 },
      { name: 'rates', version: 1 },
      { name: 'rates', version: 2 },
      { name: 'plain', version: 0 },
    ]);
  });

  test('a service pins one, or reads the current one', async () => {
    const response = await ask(fixture, {
      featureService: 'mixed',
      entities: id,
      fullFeatureNames: true,
    });
    expect(namesOf(response).slice(1)).toEqual(['r@v1__a', 'rates__b']);
    expect(columnOf(response, 'r@v1__a')[0]![0]).toBe(10n);
    expect(columnOf(response, 'rates__b')[0]![0]).toBe(21n);
  });

  test.each([
    ['FEATURE_VIEW_VERSION_NOT_FOUND', 'rates@v3:b'],
    ['FEATURE_VIEW_VERSION_NOT_FOUND', 'plain@v1:p'],
    ['FEATURE_VIEW_NOT_FOUND', 'nope@v1:p'],
    ['FEATURE_NOT_FOUND', 'rates@v0:c'],
    ['FEATURE_NOT_FOUND', 'rates:a'],
  ] as const)('%s: %s', async (code, reference) => {
    expect(await codeOf(() => ask(fixture, { features: [reference], entities: id }))).toBe(code);
  });

  test('that there are are listed where one is not', async () => {
    const { message } = await errorOf(() =>
      ask(fixture, { features: ['rates@v3:b'], entities: id }),
    );
    expect(message).toBe(
      'Version v3 of feature view rates does not exist in project shop; there is v2, v1, v0',
    );
  });

  test('two of one view collide without full names', async () => {
    const features = ['rates@v0:b', 'rates@v1:b'];
    expect(await codeOf(() => ask(fixture, { features, entities: id }))).toBe(
      'FEATURE_NAME_COLLISION',
    );
  });

  test('need the registry to keep them', async () => {
    const off = fixtureOf(snapshotOf({ ...spec, versioningEnabled: false }), {
      store: fixture.store,
    });
    expect(await codeOf(() => ask(off, { features: ['rates@v1:b'], entities: id }))).toBe(
      'VERSIONED_READ_UNSUPPORTED',
    );
    expect(await codeOf(() => ask(off, { featureService: 'mixed', entities: id }))).toBe(
      'VERSIONED_READ_UNSUPPORTED',
    );
    const response = await ask(off, { features: ['rates@latest:b'], entities: id });
    expect(columnOf(response, 'b')[0]![0]).toBe(1n);
  });
});

describe('gates', () => {
  test.each([
    ['unspecified', undefined],
    ['available_online', undefined],
    ['materializing', undefined],
    ['created', 'FEATURE_VIEW_NOT_SERVABLE'],
    ['generated', 'FEATURE_VIEW_NOT_SERVABLE'],
    ['other', 'FEATURE_VIEW_NOT_SERVABLE'],
  ] as const)('a view in state %s', async (state, code) => {
    const fixture = fixtureOf(
      snapshotOf({
        entities,
        views: [{ name: 'v', entities: ['cust'], features: { f: INT64 }, state }],
      }),
    );
    const outcome = ask(fixture, { features: ['v:f'], entities: id });
    if (code === undefined) expect(namesOf(await outcome)).toEqual(['cust_id', 'f']);
    else await expect(outcome).rejects.toMatchObject({ code });
  });

  test('a disabled view', async () => {
    const view = { name: 'off', entities: ['cust'], features: { f: INT64 }, disabled: true };
    const fixture = fixtureOf(snapshotOf({ entities, views: [view] }));
    const error = await errorOf(() => ask(fixture, { features: ['off:f'], entities: id }));
    expect(error).toMatchObject({
      code: 'FEATURE_VIEW_DISABLED',
      message: expect.stringContaining('off') as string,
    });
  });
});

describe('on-demand feature views', () => {
  const onDemand: OnDemandDefinition = {
    mode: 'python',
    writeToOnlineStore: false,
    sources: [
      {
        viewName: 'v',
        alias: '',
        featureNames: ['f'],
        joinKeyMap: new Map(),
        versionTag: undefined,
      },
    ],
    requestFields: [{ name: 'amount', valueType: INT64 }],
  };
  const fixture = fixtureOf(
    snapshotOf({
      entities,
      views: [
        { name: 'v', entities: ['cust'], features: { f: INT64 } },
        {
          name: 'odfv',
          kind: 'on_demand_feature_view',
          entities: [],
          features: { out: STRING },
          onDemand,
        },
        {
          name: 'stored',
          kind: 'on_demand_feature_view',
          entities: ['cust'],
          features: { out: STRING },
          onDemand: { ...onDemand, writeToOnlineStore: true },
        },
      ],
    }),
  );
  put(fixture.store, { cust_id: { type: INT64, value: 1n } }, 'stored', encodeTimestamp(5n), {
    out: encoded(['stringVal', 'x']),
  });
  const features = ['odfv:out'];
  const amount = { amount: [['int64Val', 5n]] } as const;

  test('that are computed are refused by name and mode, wherever the request data is', async () => {
    for (const question of [
      { features, entities: { ...id, ...amount } },
      { features, entities: id, requestContext: amount },
    ]) {
      const error = await errorOf(() => ask(fixture, question));
      expect(error.code).toBe('ON_DEMAND_FEATURE_VIEW_UNSUPPORTED');
      expect(error.message).toMatch(/odfv .*python/);
    }
  });

  test('say what the request lacks first', async () => {
    expect(await codeOf(() => ask(fixture, { features, entities: amount }))).toBe(
      'MISSING_JOIN_KEY',
    );
    const error = await errorOf(() => ask(fixture, { features, entities: id }));
    expect(error).toMatchObject({
      code: 'REQUEST_DATA_NOT_FOUND',
      message: expect.stringContaining('amount') as string,
    });
    expect(await codeOf(() => ask(fixture, { features: ['odfv:nope'], entities: id }))).toBe(
      'FEATURE_NOT_FOUND',
    );
  });

  test('that are written to the online store are read like any other', async () => {
    const response = await ask(fixture, { features: ['stored:out'], entities: id });
    expect(columnOf(response, 'out')[0]![0]).toBe('x');
  });

  test('request data beside ordinary views is neither used nor answered', async () => {
    const response = await ask(fixture, {
      features: ['v:f'],
      entities: { ...id, ...amount },
      requestContext: amount,
    });
    expect(namesOf(response)).toEqual(['cust_id', 'f']);
  });
});
