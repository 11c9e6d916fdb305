import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load-config.ts';
import { hashFeatureField } from '../../src/feast-encoding/hash-field.ts';
import { openRegistry } from '../../src/registry/open-registry.ts';
import type { NamedRegistrySource } from '../../src/registry/kept-registry.ts';
import type { RegistrySnapshot } from '../../src/registry/registry-model.ts';
import { createAuthority } from '../support/certificates.ts';
import { runPython } from '../support/python.ts';
import { startMariadb, startPostgres } from '../support/sql-servers.ts';
import { waitUntil } from '../support/wait-until.ts';
import { runSideboard } from '../system/apply-fixture.ts';
import { startFeastRegistryServer } from './foreign-servers.ts';

const APPLY = join(import.meta.dirname, 'python', 'apply_registry.py');

/** Where a registry is: the block for Feast, the one for us, and the environment of both. */
interface Place {
  readonly feast: string;
  readonly ours: string;
  readonly env: Readonly<Record<string, string>>;
  /** As `sideboard check` names it. */
  readonly name: string;
  stop(): Promise<void>;
}

let folder: string;
let reference: object;
let opened: NamedRegistrySource[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sideboard-registries-'));
  const repoPath = makeRepository('file', 'registry.db');
  await runPython(APPLY, [repoPath], { cwd: repoPath });
  const { snapshot } = await open(repoPath, {});
  reference = contentOf(snapshot);
});
afterEach(async () => {
  for (const registry of opened) await registry.close();
  opened = [];
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function makeRepository(name: string, registry: string): string {
  const repoPath = join(folder, name);
  mkdirSync(repoPath, { recursive: true });
  writeFileSync(
    join(repoPath, 'feature_store.yaml'),
    `project: drivers\nprovider: local\nregistry: ${registry}\nonline_store:\n  type: sqlite\n  path: online.db\nentity_key_serialization_version: 3\n`,
  );
  return repoPath;
}

async function open(repoPath: string, env: Readonly<Record<string, string>>) {
  const config = loadConfig({ repoPath, env });
  const registry = await openRegistry(config.registry, { project: 'drivers', hashFeatureField });
  opened.push(registry);
  return { registry, snapshot: registry.current() };
}

function contentOf(snapshot: RegistrySnapshot): object {
  const { versionId: _, lastUpdatedMs: __, ...rest } = snapshot;
  return rest;
}

async function makeSqlite(): Promise<Place> {
  const block = '{registry_type: sql, path: "sqlite:///registry.sqlite", cache_ttl_seconds: 1}';
  return { feast: block, ours: block, env: {}, name: 'sqlite:///', stop: async () => {} };
}

async function makeDatabase(dialect: 'postgresql' | 'mysql'): Promise<Place> {
  const server = await (dialect === 'mysql' ? startMariadb() : startPostgres());
  const block = `{registry_type: sql, path: "${server.url}", cache_ttl_seconds: 1}`;
  const name = `${dialect}://127.0.0.1:${server.port}/feast`;
  return { feast: block, ours: block, env: {}, name, stop: () => server.stop() };
}

async function makeServer(tls: boolean): Promise<Place> {
  const served = makeRepository(tls ? 'served-tls' : 'served', 'registry.db');
  await runPython(APPLY, [served], { cwd: served });
  const authority = createAuthority(folder, `ca-${String(tls)}`);
  const certificate = authority.issue('registry', {
    names: ['DNS:localhost', 'IP:127.0.0.1'],
  });
  const server = await startFeastRegistryServer(served, tls ? certificate : undefined);
  const options = tls ? `, cert: "${authority.certFile}"` : '';
  const block = `{registry_type: remote, path: "localhost:${server.port}", cache_ttl_seconds: 1${options}}`;
  return {
    feast: block,
    ours: block,
    env: {},
    name: `grpc://localhost:${server.port}`,
    stop: () => server.stop(),
  };
}

describe.each<[string, () => Promise<Place>]>([
  ['tables in SQLite', makeSqlite],
  ['tables in PostgreSQL', () => makeDatabase('postgresql')],
  ['tables in MariaDB', () => makeDatabase('mysql')],
  ['a registry server', () => makeServer(false)],
  ['a registry server over TLS', () => makeServer(true)],
])('what the real SDK applies to %s', (title, make) => {
  let place: Place;
  let repoPath: string;

  beforeAll(async () => {
    place = await make();
    repoPath = makeRepository(title.replaceAll(' ', '-'), place.feast);
    await runPython(APPLY, [repoPath], { cwd: repoPath, env: place.env });
  });
  afterAll(() => place?.stop());

  test('is what a file would hold, and changes when it does', async () => {
    const { registry, snapshot } = await open(repoPath, place.env);
    expect(contentOf(snapshot)).toEqual(reference);
    await runPython(APPLY, [repoPath, 'later'], { cwd: repoPath, env: place.env });
    await waitUntil(() => registry.current().views.has('later'), { what: 'the new view' });
  });

  test('is named by sideboard check', async () => {
    const { stdout, stderr } = await runSideboard(['-c', repoPath, 'check', '--json']);
    const findings = JSON.parse(stdout) as { part: string; level: string; message: string }[];
    expect(
      findings.filter(({ part }) => part === 'registry'),
      stderr,
    ).toEqual([
      { part: 'registry', level: 'ok', message: expect.stringContaining(place.name) as string },
    ]);
  });
});

test('reading a registry server takes nothing from an apply that goes through it', async () => {
  const place = await makeServer(false);
  try {
    const repoPath = makeRepository('busy', place.feast);
    await runPython(APPLY, [repoPath], { cwd: repoPath });
    const { registry } = await open(repoPath, place.env);
    const applied = new AbortController();
    const reading = (async () => {
      while (!applied.signal.aborted) await registry.refresh();
    })();
    await runPython(APPLY, [repoPath, 'later'], { cwd: repoPath });
    applied.abort();
    await reading;
    const written = await open(join(folder, 'served'), {});
    expect([...written.snapshot.views.keys()]).toContain('later');
  } finally {
    await place.stop();
  }
});
