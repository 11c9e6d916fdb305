import { expect, test } from 'vitest';
import { hashFeatureField } from '../../src/feast-encoding/hash-field.ts';
import { openKeptRegistry } from '../../src/registry/kept-registry.ts';
import { waitUntil } from '../support/wait-until.ts';
import { registryBytes } from './registry-fixture.ts';

test('is as old as the beginning of the look that found it unchanged', async () => {
  const bytes = registryBytes({ version: 'first', views: { rides: ['v'] } });
  const looks: { readonly beganAtMs: number; readonly end: () => void }[] = [];
  const registry = await openKeptRegistry(
    {
      name: 'a registry far away',
      minPollMs: 0,
      remedy: 'none',
      read: () => Promise.resolve({ bytes, identity: 'first' }),
      identify() {
        const { promise, resolve } = Promise.withResolvers<string>();
        looks.push({ beganAtMs: performance.now(), end: () => resolve('first') });
        return promise;
      },
      explain: String,
      close: () => Promise.resolve(),
    },
    {
      project: 'rides',
      versioningEnabled: false,
      cacheTtlSeconds: 0,
      pollIntervalMs: 1,
      timeoutMs: 10_000,
      hashFeatureField,
    },
  );
  const openedAtMs = performance.now();
  await waitUntil(() => looks.length > 5, { what: 'polls' });
  const { beganAtMs, end } = looks[0]!;
  await waitUntil(() => performance.now() - beganAtMs > 50, { what: 'a slow look' });
  end();
  await waitUntil(() => registry.ageMs() < performance.now() - openedAtMs, {
    what: 'the look to be counted',
  });
  expect(performance.now() - registry.ageMs()).toBeLessThanOrEqual(beganAtMs);
  for (const look of looks) look.end();
  await registry.close();
});
