import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { EntitySchema } from '../../gen/feast/core/Entity_pb.ts';
import { FeatureViewSchema } from '../../gen/feast/core/FeatureView_pb.ts';
import { RegistrySchema } from '../../gen/feast/core/Registry_pb.ts';
import { encodeRegistry } from '../../src/registry/encode-registry.ts';

const entity = (name: string) => ({
  field: 1,
  bytes: toBinary(EntitySchema, create(EntitySchema, { spec: { name } })),
});
const view = (name: string, description = '') => ({
  field: 6,
  bytes: toBinary(FeatureViewSchema, create(FeatureViewSchema, { spec: { name, description } })),
});

test('objects become the registry that a file would hold', async () => {
  const objects = [
    view('v', 'x'.repeat(300)),
    entity('e'),
    view('w'),
    { field: 19, bytes: new Uint8Array() },
  ];
  const bytes = await encodeRegistry(objects, 1_700_000_000_000);
  const registry = fromBinary(RegistrySchema, bytes);
  expect(registry.registrySchemaVersion).toBe('1');
  expect(registry.versionId).toMatch(/^[0-9a-f]{16}$/);
  expect(registry.lastUpdated).toMatchObject({ seconds: 1_700_000_000n, nanos: 0 });
  expect(registry.entities.map(({ spec }) => spec?.name)).toEqual(['e']);
  expect(registry.featureViews.map(({ spec }) => spec?.name)).toEqual(['v', 'w']);
  expect(registry.labelViews).toHaveLength(1);
  // Nothing is left over of the room that was made.
  expect(bytes).toHaveLength(toBinary(RegistrySchema, registry).length);
});

test('none is a registry too', async () => {
  const registry = fromBinary(RegistrySchema, await encodeRegistry([]));
  expect(registry.lastUpdated).toBeUndefined();
  expect(registry.featureViews).toEqual([]);
});

test('equal objects give equal bytes, others another version', async () => {
  const versionOf = async (...objects: Parameters<typeof encodeRegistry>) =>
    fromBinary(RegistrySchema, await encodeRegistry(...objects)).versionId;
  expect(await encodeRegistry([view('v')])).toEqual(await encodeRegistry([view('v')]));
  const version = await versionOf([view('v'), view('w')]);
  expect(await versionOf([view('w'), view('v')])).not.toBe(version);
  // However far behind in what is hashed piece by piece.
  const large = (last: string) => [view('v', 'x'.repeat(600_000)), view(last)];
  expect(await versionOf(large('a'))).not.toBe(await versionOf(large('b')));
});
