import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse } from 'yaml';
import { runProgram } from '../support/python.ts';
import { startRedisCluster, type RedisClusterServers } from '../support/redis-server.ts';
import { startSideboard } from '../support/sideboard-process.ts';

const ROOT = join(import.meta.dirname, '..', '..');

interface Compose {
  readonly services: {
    readonly fill: { readonly command: readonly string[]; readonly volumes: readonly string[] };
    readonly sideboard: { readonly volumes: readonly string[] };
  };
}

// No containers here: what the services of deploy/compose.yaml run, on a cluster of real processes, in folders that stand
// for their file systems.
let folder: string;
let cluster: RedisClusterServers;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sideboard-compose-'));
  cluster = await startRedisCluster();
});

afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

it('fills the cluster and serves from it', { timeout: 120_000 }, async () => {
  const compose = parse(readFileSync(join(ROOT, 'deploy', 'compose.yaml'), 'utf8'), {
    merge: true,
  }) as Compose;
  const { fill, sideboard } = compose.services;
  // The image's /app, with the addresses of our cluster in the place of the services' names.
  const app = join(folder, 'app');
  mkdirSync(join(app, 'deploy'), { recursive: true });
  for (const name of ['src', 'gen', 'package.json', 'node_modules']) {
    symlinkSync(join(ROOT, name), join(app, name));
  }
  cpSync(join(ROOT, 'examples'), join(app, 'examples'), {
    recursive: true,
    filter: (path) => !/\/data(?:\/|$)/.test(path),
  });
  const nodes = cluster.nodes.map(({ host, port }) => `${host}:${port}`).join(',');
  const yaml = readFileSync(join(ROOT, 'deploy', 'feature_store.yaml'), 'utf8')
    .replace(/connection_string: .*/, `connection_string: ${nodes}`)
    .replaceAll('0.0.0.0', '127.0.0.1');
  writeFileSync(join(app, 'deploy', 'feature_store.yaml'), yaml);

  // Twice: the second run changes nothing.
  const script = fill.command.join('\n').replaceAll('$$', '$');
  const run = (): Promise<string> =>
    runProgram('bash', ['-euc', script], {
      cwd: app,
      env: { ...process.env, PATH: `${join(ROOT, 'node_modules', '.bin')}:${process.env['PATH']}` },
      timeoutMs: 60_000,
    });
  expect(await run()).toContain('Applied: 12 created');
  expect(await run()).toContain('Nothing to change');

  // The server's /repo: the configuration, and the volume that `fill` has written to.
  expect(fill.volumes).toEqual(['registry:/app/examples/loan-approval/data']);
  expect(sideboard.volumes).toEqual([
    './feature_store.yaml:/repo/feature_store.yaml:ro',
    'registry:/repo/data:ro',
  ]);
  const repo = join(folder, 'repo');
  mkdirSync(repo);
  writeFileSync(join(repo, 'feature_store.yaml'), yaml);
  symlinkSync(join(app, 'examples', 'loan-approval', 'data'), join(repo, 'data'));
  const server = await startSideboard({ repoPath: repo });
  try {
    const response = await fetch(`http://127.0.0.1:${server.port}/get-online-features`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"feature_service":"loan_decision","entities":{"zipcode":[94109],"dob_ssn":["19530219_5179"]}}',
    });
    expect(response.status).toBe(200);
    const { results } = (await response.json()) as { results: { values: unknown[] }[] };
    expect(results.flatMap(({ values }) => values)).toContain('SAN FRANCISCO');
  } finally {
    expect(await server.stop()).toBe(0);
  }
});
