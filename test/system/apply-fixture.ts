import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..');
const NODE = join(ROOT, 'node_modules', '.bin', 'node');
const MAIN = join(ROOT, 'src', 'main.ts');

/** What a command left behind when it ended. */
export interface CommandResult {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `sideboard` as a user does, in a process of its own; ends it after a minute. */
export function runSideboard(args: readonly string[]): Promise<CommandResult> {
  return runNode(['--disable-warning=ExperimentalWarning', MAIN, ...args]);
}

/** Runs Node with these arguments; ends it after `timeoutMs`. */
export function runNode(args: readonly string[], timeoutMs = 60_000): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(NODE, [...args], {
      cwd: ROOT,
      env: { ...process.env, NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: timeoutMs,
    });
    const output = { stdout: '', stderr: '' };
    child.stdout.on('data', (chunk: Buffer) => (output.stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()));
    child.once('error', reject);
    child.once('close', (exitCode) => resolve({ exitCode, ...output }));
  });
}

/** A feature repository in a temporary folder. */
export interface RepositoryFolder {
  readonly path: string;
  readonly registryFile: string;
  readonly storeFile: string;
  /** Writes or replaces files, by their paths in the repository. */
  write(files: Readonly<Record<string, string>>): Promise<void>;
  remove(): Promise<void>;
}

/** Makes one with SQLite; `features.ts` and others are written by the test. */
export async function makeRepository(project = 'rides'): Promise<RepositoryFolder> {
  const path = await mkdtemp(join(tmpdir(), 'sideboard-apply-'));
  const write: RepositoryFolder['write'] = async (files) => {
    for (const [name, text] of Object.entries(files)) {
      await mkdir(dirname(join(path, name)), { recursive: true });
      await writeFile(join(path, name), text);
    }
  };
  await write({ 'feature_store.yaml': configuration(project) });
  return {
    path,
    registryFile: join(path, 'data', 'registry.db'),
    storeFile: join(path, 'data', 'online.db'),
    write,
    remove: () => rm(path, { recursive: true, force: true }),
  };
}

/** A `feature_store.yaml` on SQLite, with extra lines under `registry:`. */
export function configuration(project: string, registryLines = ''): string {
  return `project: ${project}
provider: local
registry:
  path: data/registry.db
${registryLines}online_store:
  type: sqlite
  path: data/online.db
entity_key_serialization_version: 3
`;
}

/** What varies between the repositories of the tests. */
export interface FeaturesOptions {
  readonly ttlDays?: number;
  readonly schema?: string;
  readonly extra?: string;
}

/** Source of a `features.ts` with an entity, a view and a service. */
export function featuresSource(options: FeaturesOptions = {}): string {
  return `
import * as sideboard from 'sideboard';

const { defineEntity, defineFeatureView, defineFileSource, Int64, Float32 } = sideboard;

export const driver = defineEntity({ name: 'driver', joinKey: 'driver_id', valueType: Int64 });
export const source = defineFileSource({
  name: 'trips_file',
  path: 'data/trips.parquet',
  timestampField: 'event_timestamp',
});
export const trips = defineFeatureView({
  name: 'trips',
  entities: [driver],
  ttl: { days: ${options.ttlDays ?? 7} },
  source,
  schema: ${options.schema ?? '{ count: Int64, rating: Float32 }'},
});
${options.extra ?? ''}
`;
}
