import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, toBinary } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FeatureViewState } from '../../gen/feast/core/FeatureView_pb.ts';
import { RegistrySchema } from '../../gen/feast/core/Registry_pb.ts';
import { describeMaterialization } from '../../src/registry/batch-source.ts';
import { recordMaterialization } from '../../src/registry/record-materialization.ts';
import { readRegistryFile, updateRegistryFile } from '../../src/registry/registry-file.ts';

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sideboard-registry-'));
  path = join(folder, 'registry.db');
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** Field 999 of a later Feast: bytes "new". */
const UNKNOWN_FIELD = Buffer.from('ba3e036e6577', 'hex');

function registryBytes(): Uint8Array {
  const registry = create(RegistrySchema, {
    versionId: 'first',
    featureViews: [
      { spec: { name: 'v', project: 'other' } },
      { spec: { name: 'v', project: 'p' } },
    ],
    streamFeatureViews: [{ spec: { name: 's', project: 'p' } }],
  });
  return Buffer.concat([toBinary(RegistrySchema, registry), UNKNOWN_FIELD]);
}

describe('readRegistryFile', () => {
  test('has nothing to say of a file that is not there', async () => {
    expect(await readRegistryFile(path)).toBeUndefined();
  });

  test.each([
    ['is empty', ''],
    ['is no Feast registry', 'text'],
  ])('refuses a file that %s', async (reason, content) => {
    await writeFile(path, content);
    await expect(readRegistryFile(path)).rejects.toMatchObject({
      code: 'REGISTRY_UNAVAILABLE',
      message: expect.stringContaining(reason) as unknown,
    });
  });
});

describe('updateRegistryFile', () => {
  test('writes what was changed, a new version and what it does not know', async () => {
    await writeFile(path, registryBytes());
    await chmod(path, 0o640);
    await updateRegistryFile(
      path,
      (registry) => {
        registry.featureViews[0]!.spec!.owner = 'me';
      },
      1_700_000_000_000,
    );
    const registry = await readRegistryFile(path);
    expect(registry?.featureViews[0]?.spec?.owner).toBe('me');
    expect(registry?.registrySchemaVersion).toBe('1');
    expect(registry?.versionId).toMatch(/^[0-9a-f-]{36}$/);
    expect(registry?.lastUpdated?.seconds).toBe(1_700_000_000n);
    expect((await readFile(path)).includes(UNKNOWN_FIELD)).toBe(true);
    expect((await stat(path)).mode & 0o777).toBe(0o640);
    expect(await readdir(folder)).toEqual(['registry.db']);
  });

  test('creates the file, and leaves it alone when nothing changes', async () => {
    const created = await updateRegistryFile(path, () => undefined);
    const bytes = await readFile(path);
    await updateRegistryFile(path, () => false);
    expect(await readFile(path)).toEqual(bytes);
    expect((await readRegistryFile(path))?.versionId).toBe(created.versionId);
  });

  test('replaces the file behind a link', async () => {
    await writeFile(path, registryBytes());
    const link = join(folder, 'link.db');
    await symlink(path, link);
    const updated = await updateRegistryFile(link, () => undefined);
    expect((await readRegistryFile(path))?.versionId).toBe(updated.versionId);
  });

  test('loses no change of writers at the same time', async () => {
    await writeFile(path, registryBytes());
    await Promise.all(
      Array.from({ length: 20 }, async (_, i) => {
        await updateRegistryFile(path, (registry) => {
          registry.featureViews[0]!.spec!.tags[`t${i}`] = 'x';
        });
      }),
    );
    const registry = await readRegistryFile(path);
    expect(Object.keys(registry!.featureViews[0]!.spec!.tags)).toHaveLength(20);
  });

  test('starts over when another program changed the file meanwhile', async () => {
    await writeFile(path, registryBytes());
    const seen: string[] = [];
    const { writeFileSync } = await import('node:fs');
    await updateRegistryFile(path, (registry) => {
      seen.push(registry.versionId);
      if (seen.length === 1) {
        const theirs = create(RegistrySchema, { versionId: 'theirs' });
        writeFileSync(path, toBinary(RegistrySchema, theirs));
      }
    });
    expect(seen).toEqual(['first', 'theirs']);
    expect((await readRegistryFile(path))?.featureViews).toEqual([]);
  });

  test('leaves the old file when the change fails', async () => {
    await writeFile(path, registryBytes());
    const failing = updateRegistryFile(path, () => {
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect((await readRegistryFile(path))?.versionId).toBe('first');
    expect(await readdir(folder)).toEqual(['registry.db']);
  });
});

describe('recordMaterialization', () => {
  test('adds the interval to the view of the project and makes it available', async () => {
    await writeFile(path, registryBytes());
    const registry = (await readRegistryFile(path))!;
    const interval = { project: 'p', viewName: 'v', startNs: -1000n, endNs: 1_500_000_000n };
    recordMaterialization(registry, interval, 1_700_000_000_000);
    recordMaterialization(registry, { ...interval, endNs: 1n }, 1_700_000_000_000);
    const [foreign, ours] = registry.featureViews;
    expect(foreign?.meta).toBeUndefined();
    expect(ours?.meta?.state).toBe(FeatureViewState.AVAILABLE_ONLINE);
    expect(ours?.meta?.lastUpdatedTimestamp?.seconds).toBe(1_700_000_000n);
    expect(ours?.meta?.materializationIntervals).toMatchObject([
      {
        startTime: { seconds: -1n, nanos: 999_999_000 },
        endTime: { seconds: 1n, nanos: 500_000_000 },
      },
      { endTime: { seconds: 0n, nanos: 1 } },
    ]);
    expect(describeMaterialization(ours!.spec!, ours!.meta).materializedUntilNs).toBe(
      1_500_000_000n,
    );
  });

  test('finds stream feature views, and says when a view is gone', async () => {
    await writeFile(path, registryBytes());
    const registry = (await readRegistryFile(path))!;
    recordMaterialization(registry, { project: 'p', viewName: 's', startNs: 0n, endNs: 0n });
    expect(registry.streamFeatureViews[0]?.meta?.materializationIntervals).toHaveLength(1);
    expect(() =>
      recordMaterialization(registry, { project: 'p', viewName: 'x', startNs: 0n, endNs: 0n }),
    ).toThrow('Feature view x does not exist in project p');
  });
});
