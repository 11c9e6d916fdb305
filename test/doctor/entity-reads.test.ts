import { expect, test } from 'vitest';
import { entityReads } from '../../src/doctor/entity-reads.ts';
import { storedFieldNames } from '../../src/doctor/stored-field-names.ts';
import { checkViews } from '../../src/doctor/check-views.ts';
import { hashFeatureField, timestampField } from '../../src/feast-encoding/hash-field.ts';
import type { RegistrySnapshot, ViewDefinition } from '../../src/registry/registry-model.ts';

function view(name: string, joinKey: string, features: readonly string[], version = 0) {
  return {
    kind: 'feature_view',
    name,
    joinKeys: [{ name: joinKey, valueType: 4 }],
    features: features.map((feature) => ({ name: feature, valueType: 4 })),
    ttlSeconds: 0,
    online: true,
    disabled: false,
    versionNumber: version,
  } as unknown as ViewDefinition;
}

function snapshot(
  views: readonly ViewDefinition[],
  services: Readonly<Record<string, readonly [view: string, features: readonly string[]][]>> = {},
): RegistrySnapshot {
  return {
    project: 'p',
    permissions: [],
    versioningEnabled: true,
    entities: new Map(),
    views: new Map(views.map((each) => [each.name, each])),
    viewVersions: new Map(views.map((each) => [each.name, new Map([[each.versionNumber, each]])])),
    featureServices: new Map(
      Object.entries(services).map(([name, parts]) => [
        name,
        {
          name,
          projections: parts.map(([viewName, featureNames]) => ({ viewName, featureNames })),
        },
      ]),
    ),
  } as unknown as RegistrySnapshot;
}

const A = view('a', 'customer', ['x', 'y']);
const B = view('b', 'customer', ['z', 'w'], 3);
const C = view('c', 'shop', ['q']);

test('a feature service reads of an entity what it has of its views, under their stored names', () => {
  const registry = snapshot([A, B, C], {
    small: [['a', ['x']]],
    mixed: [
      ['b', ['w', 'z']],
      ['c', ['q']],
    ],
  });
  expect(entityReads(registry, ['customer'], [], 3)).toEqual([
    {
      name: 'feature service mixed',
      featureCount: 2,
      fields: [
        hashFeatureField('b_v3', 'w'),
        hashFeatureField('b_v3', 'z'),
        timestampField('b_v3'),
      ],
    },
    {
      name: 'feature service small',
      featureCount: 1,
      fields: [hashFeatureField('a', 'x'), timestampField('a')],
    },
  ]);
  expect(entityReads(registry, ['customer'], [], 1)).toHaveLength(1);
  expect(entityReads(registry, ['nobody'], [], 3)).toEqual([]);
});

test('without services all views are read together, and those alone that lie far back', () => {
  const stored = [timestampField('b_v3'), timestampField('a')].map((name) => ({ name }));
  const names = (limit: number, fields = stored): string[] =>
    entityReads(snapshot([A, B, C]), ['customer'], fields, limit).map(({ name }) => name);
  expect(names(2)).toEqual(['all features', 'feature view a']);
  expect(names(2, stored.toReversed())).toEqual(['all features', 'feature view b']);
  expect(names(9)).toHaveLength(3);
});

test('or that stand last in the registry, where the order of the hash is that of a hash table', () => {
  for (const views of [
    [A, B],
    [B, A],
  ]) {
    const [, alone] = entityReads(snapshot(views), ['customer'], undefined, 2);
    expect(alone?.name).toBe(`feature view ${views[1]!.name}`);
  }
});

test('stored fields have the names that the registry gives them', () => {
  const names = storedFieldNames(snapshot([A, B]));
  const hex = Buffer.from(hashFeatureField('b_v3', 'z')).toString('hex');
  expect(names.get(hex)).toEqual({ view: 'b_v3', feature: 'z' });
  expect(names.size).toBe(4);
});

test('features of one hash whose names collide are errors', () => {
  const colliding = view('orders', 'customer', ['f75369', 'f78662']);
  const findings = checkViews(snapshot([colliding]), [], 0);
  expect(findings.filter(({ check }) => check === 'collisions')).toMatchObject([
    { level: 'error', message: expect.stringContaining('share a field of their hash') as string },
  ]);
});
