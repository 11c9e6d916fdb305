import { expect, test } from 'vitest';
import { hashFeatureField } from '../../src/feast-encoding/hash-field.ts';
import { validateRegistry } from '../../src/registry/validate-registry.ts';
import { registryBytes } from './registry-fixture.ts';

const options = { project: 'rides', versioningEnabled: false, hashFeatureField };
const names = Array.from({ length: 1000 }, (_, i) => `view_${i}`);

/** How often others had their turn while `work` went on. */
async function countTurns(work: Promise<unknown>): Promise<number> {
  let turns = 0;
  let isDone = false;
  const count = (): void => {
    if (isDone) return;
    turns += 1;
    setImmediate(count);
  };
  setImmediate(count);
  await work;
  isDone = true;
  return turns;
}

test('a registry of a thousand views is loaded in many turns of the event loop', async () => {
  const bytes = registryBytes({ version: 'a', views: { rides: names } });
  expect(await countTurns(validateRegistry(bytes, options, undefined))).toBeGreaterThan(10);
});

test('what did not change is taken over', async () => {
  const first = registryBytes({ version: 'a', views: { rides: names } });
  const before = await validateRegistry(first, options, undefined);
  expect(await validateRegistry(Uint8Array.from(first), options, before)).toBe(before);

  let hashed = 0;
  const counting = {
    ...options,
    hashFeatureField: (view: string, feature: string) => {
      hashed += 1;
      return hashFeatureField(view, feature);
    },
  };
  const second = registryBytes({ version: 'b', views: { rides: names } });
  const after = await validateRegistry(second, counting, before);
  expect(after.loaded.snapshot.versionId).toBe('b');
  expect(after.loaded.snapshot.views.get('view_7')).toBe(
    before.loaded.snapshot.views.get('view_7'),
  );
  expect(hashed).toBe(0);

  const third = registryBytes({ version: 'c', views: { rides: ['other', ...names] } });
  await validateRegistry(third, counting, after);
  expect(hashed).toBe(2 * 1001);
});
