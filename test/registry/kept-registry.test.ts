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
      explain: (error) => ({ reason: String(error) }),
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

test('tells of a problem once, as long as it is there', async () => {
  const warnings: string[] = [];
  let bytes = new Uint8Array();
  /** @param missing names of views whose entity the registry does not have. */
  const write = (version: string, missing: readonly string[]): void => {
    const featureServices = missing.map((featureViewName) => ({
      spec: { name: `of_${featureViewName}`, project: 'rides', features: [{ featureViewName }] },
    }));
    bytes = Uint8Array.from(
      registryBytes({ version, views: { rides: ['v'] }, more: { featureServices } }),
    );
  };
  write('1', ['gone']);
  const registry = await openKeptRegistry(
    {
      name: 'a registry',
      minPollMs: 0,
      remedy: 'none',
      read: () => Promise.resolve({ bytes, identity: undefined }),
      explain: (error) => ({ reason: String(error) }),
      close: () => Promise.resolve(),
    },
    {
      project: 'rides',
      versioningEnabled: false,
      cacheTtlSeconds: 0,
      pollIntervalMs: 0,
      timeoutMs: 10_000,
      hashFeatureField,
      onWarning: (message) => warnings.push(message),
    },
  );
  const told = async (): Promise<readonly string[]> => {
    await registry.refresh();
    return warnings.splice(0).map((message) => /uses feature view (\w+)/.exec(message)![1]!);
  };
  expect(await told()).toEqual(['gone']);
  write('2', ['gone', 'lost']);
  expect(await told()).toEqual(['lost']);
  write('3', []);
  expect(await told()).toEqual([]);
  write('4', ['gone']);
  expect(await told()).toEqual(['gone']);
  await registry.close();
});
