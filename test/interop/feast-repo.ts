import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pythonEnvironment, pythonProgram, runPython } from '../support/python.ts';
import { freePort } from '../support/redis-server.ts';
import { waitUntil } from '../support/wait-until.ts';

const SCRIPT = join(import.meta.dirname, 'python', 'feature_types.py');

/** A request as `feature_types.py` takes it. */
export interface FeatureRequest {
  readonly features?: readonly string[];
  readonly feature_service?: string;
  readonly entities: Readonly<Record<string, readonly (string | number)[]>>;
  readonly full_feature_names?: boolean;
  /** For `call` only. */
  readonly service?: 'ServingService' | 'GrpcFeatureServer';
}

/** One column: serialized values in hex, `FieldStatus` numbers, event times in whole seconds. */
export interface AnsweredColumn {
  readonly values: readonly string[];
  readonly statuses: readonly number[];
  readonly seconds: readonly number[];
}

/** Columns by name, or how the call failed. */
export type FeatureAnswer =
  | {
      readonly columns: Readonly<Record<string, AnsweredColumn>>;
      readonly names: readonly string[];
    }
  | { readonly error: string; readonly message: string };

/** A folder with a `feature_store.yaml` for the real SDK. */
export interface FeastRepo {
  readonly path: string;
  readonly onlineStore: string;
  remove(): Promise<void>;
}

/** Makes a repository whose `online_store` is the given YAML block (indented by two). */
export async function makeFeastRepo(
  onlineStore: string,
  registryPath = 'registry.db',
): Promise<FeastRepo> {
  const path = await mkdtemp(join(tmpdir(), 'sideboard-interop-'));
  const yaml = `project: types
provider: local
registry: ${registryPath}
online_store:
${onlineStore}
entity_key_serialization_version: 3
`;
  await writeFile(join(path, 'feature_store.yaml'), yaml);
  return { path, onlineStore, remove: () => rm(path, { recursive: true }) };
}

/** Has the real SDK define, apply and store the features of `feature_types.py`. */
export async function fillByFeast(repo: FeastRepo): Promise<void> {
  await runPython(SCRIPT, ['make', repo.path], { cwd: repo.path });
}

/** What the real SDK reads with this repository's configuration. */
export function readBySdk(
  repo: FeastRepo,
  requests: readonly FeatureRequest[],
): Promise<FeatureAnswer[]> {
  return ask(['read', repo.path], requests);
}

/** What a server answers to Feast's own Python stubs. */
export function callByStubs(
  address: string,
  requests: readonly FeatureRequest[],
): Promise<FeatureAnswer[]> {
  return ask(['call', address], requests);
}

/** What `online_read` of the SDK's store gives for one view: per entity, feature → serialized value in hex. */
export async function readViewBySdk(
  repo: FeastRepo,
  request: { view: string; ids: readonly number[]; features: readonly string[] },
): Promise<Record<string, string>[]> {
  const input = JSON.stringify([request]);
  const output = await runPython(SCRIPT, ['view', repo.path], { cwd: repo.path, input });
  return (JSON.parse(output) as Record<string, string>[][])[0] ?? [];
}

type RawAnswer = [string, AnsweredColumn][] | { error: string; message: string };

async function ask(args: readonly string[], requests: unknown): Promise<FeatureAnswer[]> {
  const output = await runPython(SCRIPT, args, { input: JSON.stringify(requests) });
  return (JSON.parse(output) as RawAnswer[]).map((answer) =>
    Array.isArray(answer)
      ? { names: answer.map(([name]) => name), columns: Object.fromEntries(answer) }
      : answer,
  );
}

/** Feast's own HTTP feature server on a repository. */
export interface FeastServer {
  readonly url: string;
  /** The parent of its workers. */
  readonly pid: number;
  stop(): Promise<void>;
}

/**
 * Starts `feast serve` with one worker and resolves when it is healthy, which takes seconds.
 *
 * @param core to bind it to; none by default
 * @param more flags of `feast serve`
 * @param env more of its environment
 */
export async function startFeastServer(
  repo: Pick<FeastRepo, 'path'>,
  core?: number,
  more: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<FeastServer> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const pin = core === undefined ? [] : ['taskset', '-c', String(core)];
  const serve = [...pythonProgram('feast'), '-c', repo.path, 'serve', '-h', '127.0.0.1'];
  serve.push('-p', String(port), '--workers', '1', '--no-access-log');
  // By default the worker is replaced after a thousand requests, and connections break.
  serve.push('--max-requests', '10000000', ...more);
  const [program = '', ...args] = [...pin, ...serve];
  const child = spawn(program, args, {
    env: { ...pythonEnvironment(), ...env },
    stdio: 'ignore',
    // A group of its own: the server is a parent with workers.
    detached: true,
  });
  const signal = (name: NodeJS.Signals): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, name);
    } catch {
      // It has ended already.
    }
  };
  const kill = (): void => signal('SIGKILL');
  process.once('exit', kill);
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const stop = async (): Promise<void> => {
    signal('SIGTERM');
    const late = setTimeout(kill, 5000);
    await exited;
    clearTimeout(late);
    process.off('exit', kill);
  };
  try {
    await waitUntil(async () => (await fetch(`${url}/health`)).ok, {
      what: 'feast serve',
      timeoutMs: 90_000,
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, pid: child.pid ?? 0, stop };
}
