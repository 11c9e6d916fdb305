import { execFile } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { adminClient, freePort, startRedis, type RedisServer } from '../support/redis-server.ts';
import { makeServedRepository, type ServedRepository } from '../support/served-repository.ts';
import { runSideboard } from './apply-fixture.ts';

interface Finding {
  readonly part: string;
  readonly level: 'ok' | 'warning' | 'error';
  readonly message: string;
  readonly remedy?: string;
}

let repository: ServedRepository;

beforeEach(async () => {
  repository = await makeServedRepository();
});

afterEach(() => repository.remove());

/** Runs `check` and gives its exit code and findings that are no `ok`. */
async function check(
  ...flags: readonly string[]
): Promise<{ readonly exitCode: number | null; readonly findings: readonly Finding[] }> {
  const { exitCode, stdout } = await runSideboard([
    '-c',
    repository.path,
    'check',
    '--json',
    ...flags,
  ]);
  const findings = JSON.parse(stdout) as Finding[];
  return { exitCode, findings: findings.filter(({ level }) => level !== 'ok') };
}

const written = (name: string): string => join(repository.path, name);

describe('exit codes', () => {
  it.each([
    [0, ['--version'], /^$/],
    [0, ['--help'], /^$/],
    [0, ['serve', '--help'], /^$/],
    [2, [], /Usage: sideboard/],
    [2, ['nope'], /unknown command 'nope'/],
    [2, ['serve', '--nope'], /unknown option '--nope'/],
    [2, ['get'], /missing required argument/],
    [2, ['entities'], /Usage: sideboard entities/],
    [2, ['-c', '/nowhere', 'serve'], /feature_store\.yaml: no such file/],
    [2, ['materialize', 'yesterday', 'now'], /START/],
  ])('%i for %j', async (exitCode, args, message) => {
    const result = await runSideboard(args);
    expect(result.stderr).toMatch(message);
    expect(result.exitCode).toBe(exitCode);
  });

  it('1 for a server without a registry, 2 for one with a wrong setting', async () => {
    rmSync(written('data/registry.db'));
    const serve = ['-c', repository.path, 'serve'];
    const missing = await runSideboard([...serve, '--port', '0', '--admin-port', '0']);
    expect(missing.stderr).toMatch(/^sideboard: registry .*: there is no such file; write it with/);
    expect(missing.exitCode).toBe(1);
    const wrong = await runSideboard([...serve, '--port', 'many']);
    expect(wrong.stderr).toMatch(/--port: must be a whole number from 0 to 65535/);
    expect(wrong.exitCode).toBe(2);
  });
});

describe('what helps', () => {
  it('stands behind a store that is away', async () => {
    const yaml = written('feature_store.yaml');
    const port = await freePort();
    const redis = `online_store:\n  type: redis\n  connection_string: 127.0.0.1:${port}\n`;
    const text = readFileSync(yaml, 'utf8').replace(/online_store:\n(?: .*\n)+/, redis);
    writeFileSync(yaml, text);
    const { stderr, exitCode } = await runSideboard([
      '-c',
      repository.path,
      'inspect',
      'driver_id=1',
    ]);
    expect(stderr).toMatch(
      new RegExp(
        `Redis at 127\\.0\\.0\\.1:${port} failed: .*; online_store in feature_store\\.yaml says`,
      ),
    );
    expect(exitCode).toBe(1);
  });

  it('is said of a project that the registry does not have', async () => {
    const yaml = written('feature_store.yaml');
    writeFileSync(yaml, readFileSync(yaml, 'utf8').replace('project: rides', 'project: ridse'));
    const list = await runSideboard(['-c', repository.path, 'feature-views', 'list']);
    expect(list.stderr).toContain('the registry has no feature views of project ridse');
    expect(list.exitCode).toBe(0);
  });
});

describe('npx sideboard', () => {
  it('works from a checkout', async () => {
    const root = join(import.meta.dirname, '..', '..');
    const npx = promisify(execFile)('npx', ['--no-install', 'sideboard', '--version'], {
      cwd: root,
      timeout: 60_000,
    });
    expect((await npx).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe('sideboard check', () => {
  it('exits with 0 where everything is in place, and leaves everything as it was', async () => {
    expect(await check()).toEqual({ exitCode: 0, findings: [] });
    const { stdout } = await runSideboard(['-c', repository.path, 'check']);
    expect(stdout).toContain('1 feature views, 1 entities, 0 feature services');
    expect(existsSync(written('data/registry.db.last-good'))).toBe(false);
  });

  it.each<[string, () => void, RegExp]>([
    [
      'configuration',
      () => writeFileSync(written('feature_store.yaml'), 'project:'),
      /:1: project/,
    ],
    ['registry', () => rmSync(written('data/registry.db')), /there is no such file/],
    ['registry', () => writeFileSync(written('data/registry.db'), 'x'), /is not a registry/],
    ['online store', () => writeFileSync(written('data/online.db'), 'no database'), /online\.db/],
  ])('exits with 2 where the %s is wrong', async (part, spoil, message) => {
    spoil();
    const { exitCode, findings } = await check();
    expect(exitCode).toBe(2);
    expect(findings).toEqual([
      expect.objectContaining({
        part,
        level: 'error',
        message: expect.stringMatching(message) as unknown,
      }),
    ]);
  });

  it('creates nothing', async () => {
    rmSync(written('data/online.db'));
    const { exitCode, findings } = await check();
    expect(exitCode).toBe(0);
    expect(findings).toMatchObject([{ part: 'online store', level: 'warning' }]);
    expect(existsSync(written('data/online.db'))).toBe(false);
  });

  it('takes the flags of serve', async () => {
    const { exitCode, findings } = await check('--max-rows', '0');
    expect(exitCode).toBe(2);
    expect(findings[0]!.message).toContain('--max-rows: must be a whole number, 1 or more');
  });
});

describe('sideboard check on Redis', () => {
  const password = 'pa55word';
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis({ password });
  });
  afterAll(() => redis?.stop());

  function useRedis(port: number): void {
    writeFileSync(
      written('feature_store.yaml'),
      `project: rides\nregistry: data/registry.db\nonline_store: {type: redis, connection_string: "127.0.0.1:${port}"}\n`,
    );
  }

  it('exits with 0 where it answers', async () => {
    useRedis(redis.port);
    expect(await check('--redis-password', password)).toEqual({ exitCode: 0, findings: [] });
  });

  it('exits with 2 where it does not, saying why and no secret', async () => {
    useRedis(redis.port);
    const wrong = await check('--redis-password', 'wr0ng');
    expect(wrong).toMatchObject({
      exitCode: 2,
      findings: [{ part: 'online store', level: 'error' }],
    });
    expect(wrong.findings[0]!.message).toMatch(/WRONGPASS/);
    expect(JSON.stringify(wrong)).not.toContain('wr0ng');
    expect((await check()).findings[0]!.message).toMatch(/NOAUTH/);
    const nobody = await freePort();
    useRedis(nobody);
    const unreachable = await check('--redis-connect-timeout-ms', '500');
    expect(unreachable.exitCode).toBe(2);
    expect(unreachable.findings[0]!.message).toContain(`127.0.0.1:${nobody}`);
  });

  it('exits with 0 and a warning where Redis may throw features away', async () => {
    const admin = adminClient(redis.port, { password });
    await admin.config('SET', 'maxmemory-policy', 'allkeys-lru');
    admin.disconnect();
    useRedis(redis.port);
    const { exitCode, findings } = await check('--redis-password', password);
    expect(exitCode).toBe(0);
    expect(findings).toMatchObject([{ part: 'online store', level: 'warning' }]);
    expect(findings[0]!.message).toContain('allkeys-lru');
    expect(findings[0]!.remedy).toMatch(/noeviction/);
  });
});
