import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { adminClient, startRedis, type RedisServer } from '../support/redis-server.ts';
import { describeWithShared, sharedPath } from '../support/shared.ts';

interface Report {
  readonly place: Readonly<Record<string, string>>;
  readonly fields: readonly {
    readonly view?: string;
    readonly feature: string;
    readonly type: string;
    readonly ageSeconds?: number;
    readonly value?: unknown;
  }[];
}

describeWithShared('sideboard inspect', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sideboard-inspect-'));
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(async () => {
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const inspect = (repository: string, ...words: string[]): ReturnType<typeof run> =>
    run(['src/main.ts', '-c', repository, 'inspect', ...words]);

  it('names what Feast stored in Redis, damaged fields too', async () => {
    const repository = repositoryOf('edges', 'redis');
    await loadDump('edges', 'redis');
    const { status, stdout, stderr } = inspect(
      repository,
      'ttl_zero',
      'uid=1',
      '--json',
      '--values',
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const report = JSON.parse(stdout) as Report;
    expect(report.place).toMatchObject({ node: `127.0.0.1:${server.port}`, encoding: 'listpack' });
    expect(report.fields.length).toBeGreaterThan(3);
    expect(report.fields.every(({ view }) => view !== undefined)).toBe(true);
    // A cut value, a cut timestamp, text that is no UTF-8.
    for (const uid of [42, 44, 46]) {
      const damaged = inspect(repository, 'ttl_zero', `uid=${uid}`, '--json');
      expect(damaged.stderr).toBe('');
      const types = (JSON.parse(damaged.stdout) as Report).fields.map(({ type }) => type);
      expect(types.filter((type) => type === 'damaged')).toHaveLength(1);
    }
    expect(stdout).toContain('"value"');
  });

  it('prints a table without values', () => {
    const { status, stdout } = inspect(repositoryOf('edges', 'sqlite'), 'ttl_zero', 'uid=1');
    expect(status).toBe(0);
    expect(stdout).toMatch(/VIEW.*FEATURE.*TYPE.*BYTES.*AGE/);
    expect(stdout).not.toContain('VALUE');
  });

  it('finds the entity by its join keys alone', () => {
    const repository = repositoryOf('edges', 'sqlite');
    const named = inspect(repository, 'ttl_zero', 'uid=1', '--json');
    const alone = inspect(repository, 'uid=1', '--json');
    expect(alone.status).toBe(0);
    expect((JSON.parse(alone.stdout) as Report).fields.map(({ feature }) => feature)).toEqual(
      (JSON.parse(named.stdout) as Report).fields.map(({ feature }) => feature),
    );
    const unknown = inspect(repository, 'nobody=1');
    expect(unknown.status).toBe(2);
    expect(unknown.stderr).toMatch(
      /no feature view has exactly the join keys nobody; views have: /,
    );
    expect(inspect(repository).stderr).toContain('which entity?');
  });

  it('says which join keys it wants', () => {
    const repository = repositoryOf('edges', 'sqlite');
    const missing = inspect(repository, 'ttl_zero');
    expect(missing.status).not.toBe(0);
    expect(missing.stderr).toContain('join key uid is missing');
    const wrong = inspect(repository, 'ttl_zero', 'uid=1', 'user=2');
    expect(wrong.stderr).toContain('has no join key user');
    expect(inspect(repository, 'no_such_view', 'uid=1').stderr).toContain('does not exist');
    const near = inspect(repository, 'tll_zero', 'uid=1');
    expect(near.stderr).toContain('does not exist in project edge_cases; did you mean ttl_zero?');
    expect(near.status).toBe(2);
    expect(inspect(repository, 'udi=1').stderr).toContain('is udi meant to be uid?');
  });

  /** A repository folder with the scenario's registry and store, Redis at the address of the test's server. */
  function repositoryOf(scenario: string, variant: string): string {
    const repository = join(folder, `${scenario}-${variant}`);
    const from = sharedPath('golden', 'scenarios', scenario);
    cpSync(join(from, `registry.${variant}.db`), join(repository, 'registry.db'));
    if (variant === 'sqlite') {
      cpSync(join(from, `online.${variant}.db`), join(repository, 'online.db'));
    }
    const yaml = readFileSync(join(from, `feature_store.${variant}.yaml`), 'utf8');
    writeFileSync(
      join(repository, 'feature_store.yaml'),
      yaml.replace('127.0.0.1:6379', `127.0.0.1:${server.port}`),
    );
    return repository;
  }

  async function loadDump(scenario: string, variant: string): Promise<void> {
    const path = sharedPath('golden', 'scenarios', scenario, `redis_dump.${variant}.jsonl`);
    const client = adminClient(server.port);
    for (const line of readFileSync(path, 'utf8').split('\n').filter(Boolean)) {
      const hash = JSON.parse(line) as {
        key_b64: string;
        fields?: { field_b64: string; value_b64: string }[];
      };
      const parts = (hash.fields ?? []).flatMap((field) => [field.field_b64, field.value_b64]);
      if (parts.length > 0) {
        const words = parts.map((part) => Buffer.from(part, 'base64'));
        await client.hset(Buffer.from(hash.key_b64, 'base64'), ...words);
      }
    }
    client.disconnect();
  }
});

function run(words: readonly string[]) {
  const argv = ['--disable-warning=ExperimentalWarning', ...words];
  return spawnSync(process.execPath, argv, { encoding: 'utf8', timeout: 30_000 });
}
