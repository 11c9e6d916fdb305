import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { interopPath } from '../support/python.ts';
import { makeServedRepository, type ServedRepository } from '../support/served-repository.ts';
import { waitUntil } from '../support/wait-until.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const TAG = `sideboard-test-${process.pid}`;
const BUILD_TIMEOUT_MS = 600_000;
/** What the image's user `node` is called in numbers. */
const UID = 1000;

/** What an image says of how it is run, as Docker has it. */
interface ImageConfig {
  readonly User: string;
  readonly Env: readonly string[];
  readonly Entrypoint: readonly string[];
  readonly Cmd: readonly string[];
  readonly WorkingDir: string;
  readonly ExposedPorts: Readonly<Record<string, unknown>>;
  readonly StopSignal: string;
  readonly Healthcheck: { readonly Test: readonly string[] };
}

const runRoot = mkdtempSync(join(tmpdir(), 'sideboard-image-'));

/** Runs buildah on the images beside the other foreign things; what it prints. */
function buildah(...args: readonly string[]): string {
  const stores = ['--root', interopPath('image/storage'), '--runroot', runRoot];
  const { status, stdout, stderr, error } = spawnSync(
    'buildah',
    [...stores, '--storage-driver', 'vfs', ...args],
    {
      cwd: ROOT,
      encoding: 'utf8',
      timeout: BUILD_TIMEOUT_MS,
      maxBuffer: 64 * 1024 * 1024,
      // npm's cache stays there from one build to the next.
      env: { ...process.env, TMPDIR: interopPath('image/tmp') },
    },
  );
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`buildah ${args[0]}: ${(stdout + stderr).slice(-4000)}`);
  return stdout.trim();
}

/**
 * Runs a command as Docker does with `--read-only --tmpfs /tmp`, a network of its own that has loopback alone, and the
 * repository at /repo.
 */
const RUN = `
  root=$1 repo=$2
  shift 2
  ip link set lo up
  mount --bind "$root" "$root"
  mount --bind "$repo" "$root/repo"
  mount -o remount,bind,ro "$root"
  mount -t proc proc "$root/proc"
  mount --bind /dev "$root/dev"
  mount -t tmpfs tmpfs "$root/tmp"
  mount -t tmpfs -o uid=${UID},gid=${UID} tmpfs "$root/var/lib/sideboard"
  exec chroot --userspec=${UID}:${UID} "$root" env -i -C /repo "$@"`;
const NAMESPACES = ['--mount', '--net', '--pid'];

const mayIsolate = (): boolean =>
  spawnSync('unshare', [...NAMESPACES, '--fork', 'true'], { stdio: 'ignore' }).status === 0;

// Without root there is none: scripts/interop has said so.
const canRun = existsSync(join(ROOT, '.interop/image/storage')) && mayIsolate();

describe.runIf(canRun)('the image that the Dockerfile makes', { timeout: BUILD_TIMEOUT_MS }, () => {
  let root = '';
  let config: ImageConfig;
  let repository: ServedRepository;

  beforeAll(async () => {
    repository = await makeServedRepository();
    // SQLite writes beside its file even to read it.
    spawnSync('chown', ['-R', `${UID}:${UID}`, repository.path]);
    buildah('bud', '--pull-never', '--isolation', 'chroot', '--format', 'docker', '-t', TAG, '.');
    config = (
      JSON.parse(buildah('inspect', '--type', 'image', TAG)) as { Docker: { config: ImageConfig } }
    ).Docker.config;
    buildah('from', '--pull-never', '--name', TAG, TAG);
    root = buildah('mount', TAG);
  }, BUILD_TIMEOUT_MS);

  afterAll(() => {
    if (root !== '') buildah('rm', TAG);
    if (config !== undefined) buildah('rmi', '--force', TAG);
    repository?.remove();
    rmSync(runRoot, { recursive: true, force: true });
  });

  it('has what the server needs, and nothing else', () => {
    const { dependencies, devDependencies } = JSON.parse(
      readFileSync(join(ROOT, 'package.json'), 'utf8'),
    ) as Record<'dependencies' | 'devDependencies', Readonly<Record<string, string>>>;
    const app = join(root, 'app');
    expect(readdirSync(app).toSorted()).toEqual(
      ['LICENSE', 'dist', 'node_modules', 'package.json', 'proto'].toSorted(),
    );
    const isThere = (name: string): boolean => existsSync(join(app, 'node_modules', name));
    // The image has a Node of its own.
    expect(Object.keys(dependencies).filter((name) => !isThere(name))).toEqual(['node']);
    for (const name of ['typescript', 'vitest', 'oxlint', '.bin'])
      expect(isThere(name)).toBe(false);
    expect(Object.keys(devDependencies).length).toBeGreaterThan(0);
    expect(readdirSync(join(app, 'dist'))).toContain('main.js');
    const find = spawnSync(
      'find',
      [app, '-not', '-user', 'root', '-o', '-type', 'f', '-perm', '/022'],
      {
        encoding: 'utf8',
      },
    );
    expect(find.stdout, 'what the server might write to itself').toBe('');
  });

  it('says how it is run', () => {
    expect(config).toMatchObject({
      User: 'node',
      WorkingDir: '/repo',
      StopSignal: 'SIGTERM',
      Cmd: ['serve'],
    });
    expect(Object.keys(config.ExposedPorts)).toEqual(['6566/tcp', '6567/tcp']);
    expect(readFileSync(join(root, 'etc/passwd'), 'utf8')).toMatch(/^node:x:1000:1000:/m);
  });

  it('serves as its user on a read-only root, is healthy, and drains', async () => {
    const command = [...config.Env, ...config.Entrypoint, ...config.Cmd];
    const container = spawn(
      'unshare',
      [
        ...NAMESPACES,
        '--fork',
        '--kill-child',
        '--',
        'sh',
        '-ec',
        RUN,
        'sh',
        root,
        repository.path,
        ...command,
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let log = '';
    container.stdout.on('data', (chunk: Buffer) => (log += chunk.toString()));
    container.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
    const ended = once(container, 'exit');
    try {
      await waitUntil(() => log.includes('"serving"') || container.exitCode !== null, {
        what: 'the server to serve',
        timeoutMs: 60_000,
      });
      expect(container.exitCode, log).toBeNull();
      const [kind, ...healthcheck] = config.Healthcheck.Test;
      expect(kind).toBe('CMD');
      expect(inside(container, config, healthcheck)).toEqual({ status: 0, output: '' });
      expect(inside(container, config, ['id', '-u']).output).toBe(`${UID}`);
      expect(inside(container, config, ['touch', '/app/a']).output).toContain('Read-only');
      expect(inside(container, config, ['ls', '/var/lib/sideboard']).output).toBe('registry.db');
      const answer = inside(container, config, ['node', '-e', ASK]);
      expect(JSON.parse(answer.output)).toMatchObject({
        results: [{ values: [7] }, { values: [7] }],
      });

      process.kill(serverOf(container), 'SIGTERM');
      expect(await ended, log).toEqual([0, null]);
      expect(log).toContain('"draining"');
      expect(log).toContain('"stopped"');
      expect(log.split('\n').filter((line) => /"level":(?:40|50|60)/.test(line))).toEqual([]);
    } finally {
      container.kill('SIGKILL');
      await ended;
    }
  });
});

/** `fetch` refuses the port: it is on the list of those that browsers do not call. */
const ASK = `
  const call = require('node:http').request(
    { host: '127.0.0.1', port: 6566, path: '/get-online-features', method: 'POST', headers: { 'content-type': 'application/json' } },
    (response) => response.pipe(process.stdout),
  );
  call.end('{"features":["driver_stats:trips"],"entities":{"driver_id":[7]}}');`;

/** The server's process as this system knows it. */
function serverOf({ pid }: ChildProcess): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim());
}

/** Runs a command beside the server, as `docker exec` does. */
function inside(
  container: ChildProcess,
  { Env }: ImageConfig,
  command: readonly string[],
): { readonly status: number | null; readonly output: string } {
  const where = ['--target', String(serverOf(container)), ...NAMESPACES, '--root', '--wd'];
  const who = ['--setuid', String(UID), '--setgid', String(UID)];
  const { status, stdout, stderr } = spawnSync(
    'nsenter',
    [...where, ...who, 'env', '-i', ...Env, ...command],
    { encoding: 'utf8', timeout: 60_000 },
  );
  return { status, output: (stdout + stderr).trim() };
}
