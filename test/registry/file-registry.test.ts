import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { hashFeatureField } from '../../src/feast-encoding/hash-field.ts';
import type { RegistrySource } from '../../src/registry/registry-model.ts';
import { waitUntil } from '../support/wait-until.ts';
import { openFileRegistry, type FileRegistryOptions } from './open-file-registry.ts';
import { registryBytes, type RegistryContent } from './registry-fixture.ts';

const POLL_MS = 10;

let folder: string;
let path: string;
let opened: RegistrySource[];
/** What the registry told whom. */
let swaps: string[];
let warnings: string[];
let failures: string[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sideboard-file-registry-'));
  path = join(folder, 'registry.db');
  opened = [];
  swaps = [];
  warnings = [];
  failures = [];
});

afterEach(async () => {
  for (const registry of opened) await registry.close();
  chmodSync(folder, 0o700);
  rmSync(folder, { recursive: true, force: true });
});

const FIRST: RegistryContent = { version: 'first', views: { rides: ['v', 'w'] } };
const SECOND: RegistryContent = { version: 'second', views: { rides: ['v', 'w', 'x'] } };

/** Writes the file in place, as Feast does. */
function write(content: RegistryContent | Uint8Array | string): void {
  writeFileSync(path, isContent(content) ? registryBytes(content) : content);
}

function isContent(content: RegistryContent | Uint8Array | string): content is RegistryContent {
  return typeof content === 'object' && 'views' in content;
}

async function open(changes: Partial<FileRegistryOptions> = {}): Promise<RegistrySource> {
  const registry = await openFileRegistry({
    path,
    project: 'rides',
    versioningEnabled: false,
    cacheTtlSeconds: 0,
    pollIntervalMs: POLL_MS,
    hashFeatureField,
    onSwap: ({ versionId }) => swaps.push(versionId),
    onWarning: (message) => warnings.push(message),
    onFailure: ({ message }) => failures.push(message),
    ...changes,
  });
  opened.push(registry);
  return registry;
}

function untilVersion(registry: RegistrySource, version: string): Promise<void> {
  return waitUntil(() => registry.current().versionId === version, { what: `version ${version}` });
}

const viewsOf = (registry: RegistrySource): readonly string[] => [
  ...registry.current().views.keys(),
];

describe('the start', () => {
  test('serves the objects of its project and no others', async () => {
    write({ version: 'first', views: { rides: ['v'], food: ['v', 'dishes'] } });
    const registry = await open();
    expect(viewsOf(registry)).toEqual(['v']);
    expect(registry.current()).toMatchObject({
      project: 'rides',
      versionId: 'first',
      lastUpdatedMs: 1_735_689_600_000,
    });
    expect(viewsOf(await open({ project: 'food' }))).toEqual(['v', 'dishes']);
    expect(registry.ageMs()).toBeLessThan(60_000);
    expect([swaps, warnings, failures]).toEqual([['first', 'first'], [], []]);
  });

  test.each([
    ['is not there', undefined, /there is no such file/],
    ['is empty', '', /it is empty/],
    ['is text', 'not a registry at all', /it is not a registry, or is cut off/],
    ['is cut', registryBytes(FIRST).subarray(0, 90), /it is not a registry, or is cut off/],
    [
      'is of others',
      registryBytes({ version: '1', views: { food: ['v'], cars: [] } }),
      /it does not hold project rides \(it holds: food, cars\)/,
    ],
  ])('fails where the file %s', async (_, content, reason) => {
    if (content !== undefined) write(content);
    await expect(open()).rejects.toMatchObject({
      code: 'REGISTRY_UNAVAILABLE',
      message: expect.stringMatching(reason) as unknown,
    });
    await expect(open()).rejects.toThrow(`registry ${path}: `);
    await expect(open()).rejects.toThrow(/write it with "sideboard apply" or "feast apply"$/);
  });

  test('warns of what will fail for a caller', async () => {
    write({
      version: 'first',
      views: { rides: ['v'] },
      more: {
        featureServices: [
          {
            spec: {
              name: 'service',
              project: 'rides',
              features: [
                { featureViewName: 'v', featureColumns: [{ name: 'a' }, { name: 'z' }] },
                { featureViewName: 'gone', featureColumns: [{ name: 'a' }] },
              ],
            },
          },
        ],
      },
    });
    await open();
    expect(warnings).toEqual([
      'feature service service uses features that v does not have: z',
      'feature service service uses feature view gone, which does not exist',
    ]);
  });

  test('warns of features that overwrite each other in Redis', async () => {
    write(FIRST);
    // Four bytes are few: here all features of one name have the same.
    await open({ hashFeatureField: (_, name) => Buffer.from(name.padEnd(4)) });
    expect(warnings).toEqual([
      expect.stringMatching(/^features v:a and w:a share a field of their hash in Redis/),
      expect.stringMatching(/^features v:b and w:b share a field of their hash in Redis/),
    ]);
  });
});

describe('a file that changes', () => {
  test('is taken when it is written in place, and when it is replaced', async () => {
    write(FIRST);
    const registry = await open();
    const heard: string[] = [];
    const forget = registry.onChange(({ versionId }) => heard.push(versionId));
    const before = registry.current();
    write(SECOND);
    await untilVersion(registry, 'second');
    expect(viewsOf(registry)).toEqual(['v', 'w', 'x']);
    expect([...before.views.keys()]).toEqual(['v', 'w']);
    writeFileSync(`${path}.new`, registryBytes(FIRST));
    renameSync(`${path}.new`, path);
    await untilVersion(registry, 'first');
    forget();
    write(SECOND);
    await untilVersion(registry, 'second');
    expect(swaps).toEqual(['first', 'second', 'first', 'second']);
    expect(heard).toEqual(['second', 'first']);
    expect(failures).toEqual([]);
  });

  test('is taken although its size and time are as before', async () => {
    write(FIRST);
    utimesSync(path, 1, 1);
    const registry = await open();
    write({ ...FIRST, version: 'other' });
    utimesSync(path, 1, 1);
    await untilVersion(registry, 'other');
  });

  test('is taken after cache_ttl_seconds alone, without being looked at before', async () => {
    write(FIRST);
    const registry = await open({ pollIntervalMs: 0, cacheTtlSeconds: 1 });
    write(SECOND);
    await untilVersion(registry, 'second');
  });

  test('is taken at once on demand, and only then without a TTL and polls', async () => {
    write(FIRST);
    const registry = await open({ pollIntervalMs: 0 });
    write(SECOND);
    expect(registry.current().versionId).toBe('first');
    expect(await Promise.all([registry.refresh(), registry.refresh()])).toEqual([true, true]);
    expect(registry.current().versionId).toBe('second');
    expect(await registry.refresh()).toBe(false);
    expect(swaps).toEqual(['first', 'second']);
  });

  test('keeps what did not change', async () => {
    write(FIRST);
    const registry = await open({ pollIntervalMs: 0 });
    const before = registry.current();
    write(SECOND);
    await registry.refresh();
    expect(registry.current().views.get('w')).toBe(before.views.get('w'));
  });

  test('is young as long as it is looked at', async () => {
    write(FIRST);
    const registry = await open({ pollIntervalMs: POLL_MS });
    const openedAtMs = performance.now();
    await waitUntil(() => performance.now() - openedAtMs > 20 * POLL_MS, { what: 'time to pass' });
    await waitUntil(() => registry.ageMs() < performance.now() - openedAtMs - POLL_MS, {
      what: 'a poll to confirm the file',
    });
  });
});

describe('a file that breaks', () => {
  const whole = registryBytes(SECOND);
  /** Up to the last object: a whole message, but one that lost its list of projects. */
  const withoutProjects = registryBytes({ ...SECOND, listsProjects: false });

  test.each<[string, () => void, RegExp]>([
    ['is emptied', () => write(''), /it is empty/],
    [
      'is cut inside an object',
      () => write(whole.subarray(0, whole.length - 40)),
      /it is not a registry, or is cut off/,
    ],
    [
      'is cut between objects',
      () => write(whole.subarray(0, withoutProjects.length)),
      /the list of projects at its end is missing/,
    ],
    ['is overwritten with text', () => write('<html>502</html>'), /it is not a registry/],
    [
      'is replaced by one of another project',
      () => write({ version: 'x', views: { food: ['v'] } }),
      /it does not hold project rides \(it holds: food\)/,
    ],
    ['is gone', () => rmSync(path), /there is no such file/],
    [
      'becomes a folder',
      () => {
        rmSync(path);
        mkdirSync(path);
      },
      /it cannot be read \(EISDIR\)/,
    ],
  ])('and %s never replaces the last good one', async (_, breakIt, reason) => {
    write(FIRST);
    const registry = await open();
    const before = registry.current();
    breakIt();
    const brokenAtMs = performance.now();
    await waitUntil(() => failures.length > 0, { what: 'the failure to be told' });
    await expect(registry.refresh()).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE' });
    // Several polls later it has been told once, the age has grown, and the registry is as it was.
    await waitUntil(() => performance.now() - brokenAtMs > 10 * POLL_MS, { what: 'polls' });
    expect(failures).toEqual([expect.stringMatching(reason)]);
    expect(registry.ageMs()).toBeGreaterThan(5 * POLL_MS);
    expect(registry.current()).toBe(before);

    rmSync(path, { recursive: true, force: true });
    write(SECOND);
    await untilVersion(registry, 'second');
    expect(registry.ageMs()).toBeLessThan(performance.now() - brokenAtMs);
    expect(swaps).toEqual(['first', 'second']);
  });

  test('and heals by itself is confirmed again without a swap', async () => {
    write(FIRST);
    const registry = await open();
    write('');
    await waitUntil(() => failures.length > 0, { what: 'the failure to be told' });
    write(FIRST);
    const healedAtMs = performance.now();
    await waitUntil(() => registry.ageMs() < performance.now() - healedAtMs, {
      what: 'the file to be confirmed',
    });
    expect(swaps).toEqual(['first']);
    write('');
    await waitUntil(() => failures.length > 1, { what: 'the next failure to be told' });
  });
});

describe('the copy for a start without the file', () => {
  const copyOf = (name = 'copy.db'): string => join(folder, name);
  const openWithCopy = (changes: Partial<FileRegistryOptions> = {}): Promise<RegistrySource> =>
    open({ copyPath: copyOf(), ...changes });

  test('is made at the start and after each swap, byte for byte, for its owner only', async () => {
    write(FIRST);
    const registry = await openWithCopy({ copyPath: copyOf('deep/er/copy.db') });
    await waitUntil(() => existsSync(copyOf('deep/er/copy.db')), { what: 'the copy' });
    write(SECOND);
    await untilVersion(registry, 'second');
    await registry.close();
    expect(readFileSync(copyOf('deep/er/copy.db'))).toEqual(readFileSync(path));
    expect(readdirSync(copyOf('deep/er'))).toEqual(['copy.db']);
  });

  test.each([
    ['is gone', () => rmSync(path), /there is no such file/],
    ['is empty', () => write(''), /it is empty/],
    ['is cut', () => write(registryBytes(FIRST).subarray(0, 90)), /cut off/],
  ])('starts a server whose file %s, and gives way to the file later', async (_, lose, reason) => {
    write(FIRST);
    await (await openWithCopy()).close();
    lose();
    const past = Date.now() / 1000 - 3600;
    utimesSync(copyOf(), past, past);
    swaps = [];

    const registry = await openWithCopy();
    expect(viewsOf(registry)).toEqual(['v', 'w']);
    expect(registry.ageMs()).toBeGreaterThan(3_599_000);
    expect(warnings).toEqual([
      expect.stringContaining(`registry ${path} cannot be served; starting with ${copyOf()} of `),
    ]);
    expect(failures).toEqual([expect.stringMatching(reason)]);
    rmSync(path, { force: true });
    write(SECOND);
    await untilVersion(registry, 'second');
    await registry.close();
    expect(swaps).toEqual(['first', 'second']);
    expect(readFileSync(copyOf())).toEqual(readFileSync(path));
    expect(registry.ageMs()).toBeLessThan(3_599_000);
  });

  test.each([
    ['there is none', () => rmSync(copyOf())],
    ['it is damaged', () => writeFileSync(copyOf(), 'text')],
    [
      'it is of another project',
      () => writeFileSync(copyOf(), registryBytes({ version: 'x', views: { food: ['v'] } })),
    ],
  ])('does not start one when %s: what is wrong with the file is told', async (_, spoil) => {
    write(FIRST);
    await (await openWithCopy()).close();
    rmSync(path);
    spoil();
    await expect(openWithCopy()).rejects.toThrow(/registry\.db: there is no such file/);
  });

  test('never replaces a file that can be served', async () => {
    write(SECOND);
    writeFileSync(copyOf(), registryBytes(FIRST));
    expect((await openWithCopy()).current().versionId).toBe('second');
  });

  test('that cannot be written is worth a warning', async () => {
    write(FIRST);
    writeFileSync(copyOf('file'), '');
    const registry = await openWithCopy({ copyPath: copyOf('file/copy.db') });
    await registry.close();
    expect(warnings).toEqual([
      expect.stringMatching(
        /^the registry cannot be copied to .*copy\.db \(E\w+\): a start without .*see registry_copy$/,
      ),
    ]);
    expect(viewsOf(registry)).toEqual(['v', 'w']);
  });
});
