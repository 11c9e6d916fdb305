import { readFile, stat } from 'node:fs/promises';
import { SideboardError } from '../errors.ts';
import { findRegistryProblems, type HashFeatureField } from './find-registry-problems.ts';
import { loadRegistry, type LoadedRegistry } from './load-registry.ts';
import type { RegistrySnapshot, RegistrySource } from './registry-model.ts';
import { runInSlices } from './run-in-slices.ts';

/** How long a refresh may hold the event loop at a time. */
const SLICE_MS = 1;

/** A registry file, whose part of it to serve, and whom to tell. */
export interface FileRegistryOptions {
  /** Absolute. */
  readonly path: string;
  readonly project: string;
  readonly versioningEnabled: boolean;
  /** The file is read again when the copy is older than this, changed or not; 0 = only when it changed. */
  readonly cacheTtlSeconds: number;
  /** How often size and time of the file are looked at; 0 = never. */
  readonly pollIntervalMs: number;
  /** To find features that overwrite each other in Redis. */
  readonly hashFeatureField: HashFeatureField;
  readonly onSwap?: (snapshot: RegistrySnapshot) => void;
  /** What would make answers fail or be wrong, after each swap, a sentence each. */
  readonly onWarning?: (message: string) => void;
  /** A refresh failed; the last good copy stays. Told once per reason. */
  readonly onFailure?: (error: SideboardError) => void;
}

/**
 * Loads a registry file and keeps the copy fresh in the background. A file that is empty, cut, of another project or gone
 * never replaces a good copy; the work of a refresh is done in slices between requests.
 *
 * @throws SideboardError REGISTRY_UNAVAILABLE when there is nothing to start with
 */
export async function openFileRegistry(options: FileRegistryOptions): Promise<RegistrySource> {
  let loaded = await load(options, undefined);
  let stamp = await stampOf(options.path);
  let confirmedAtMs = performance.now();
  let refreshing: Promise<boolean> | undefined;
  let lastFailure = '';
  const listeners = new Set<(snapshot: RegistrySnapshot) => void>();
  options.onSwap?.(loaded.registry.snapshot);
  for (const problem of loaded.problems) options.onWarning?.(problem);

  const reload = async (): Promise<boolean> => {
    const before = await stampOf(options.path);
    const next = await load(options, loaded.registry);
    confirmedAtMs = performance.now();
    stamp = before;
    lastFailure = '';
    if (next.registry === loaded.registry) return false;
    loaded = next;
    options.onSwap?.(loaded.registry.snapshot);
    for (const problem of loaded.problems) options.onWarning?.(problem);
    for (const listener of listeners) listener(loaded.registry.snapshot);
    return true;
  };
  const refresh = (): Promise<boolean> => {
    refreshing ??= reload().finally(() => {
      refreshing = undefined;
    });
    return refreshing;
  };
  const poll = async (): Promise<void> => {
    const ttlMs = options.cacheTtlSeconds * 1000;
    const isOld = ttlMs > 0 && performance.now() - confirmedAtMs > ttlMs;
    const now = await stampOf(options.path);
    if (now === stamp && !isOld) {
      if (lastFailure === '') confirmedAtMs = performance.now();
      return;
    }
    try {
      await refresh();
    } catch (error) {
      const failure = error instanceof SideboardError ? error : unavailable(options.path, error);
      if (failure.message !== lastFailure) options.onFailure?.(failure);
      lastFailure = failure.message;
    }
  };
  const intervalMs = options.pollIntervalMs || options.cacheTtlSeconds * 1000;
  const timer = intervalMs > 0 ? setInterval(() => void poll(), intervalMs) : undefined;
  timer?.unref();

  return {
    current: () => loaded.registry.snapshot,
    ageMs: () => performance.now() - confirmedAtMs,
    onChange(listener): () => void {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    refresh,
    async close(): Promise<void> {
      clearInterval(timer);
      await refreshing?.catch(() => {});
    },
  };
}

interface Load {
  readonly registry: LoadedRegistry;
  readonly problems: readonly string[];
}

/** Reads, decodes and checks the file; equal bytes give back the previous load itself. */
async function load(
  options: FileRegistryOptions,
  previous: LoadedRegistry | undefined,
): Promise<Load> {
  const { path, project } = options;
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw unavailable(path, error);
  }
  if (previous !== undefined && Buffer.compare(previous.bytes, bytes) === 0) {
    return { registry: previous, problems: [] };
  }
  if (bytes.length === 0) throw unavailable(path, undefined, 'it is empty');
  let registry: LoadedRegistry;
  try {
    registry = await runInSlices(loadRegistry(bytes, options, previous), SLICE_MS);
  } catch (error) {
    throw unavailable(path, error, 'it is not a registry, or is cut off');
  }
  if (!registry.projectNames.includes(project)) {
    const others = registry.projectNames.join(', ') || 'none';
    throw unavailable(path, undefined, `it does not hold project ${project} (it holds: ${others})`);
  }
  const problems = await runInSlices(
    findRegistryProblems(registry.snapshot, options.hashFeatureField),
    SLICE_MS,
  );
  return { registry, problems: [...registry.duplicates, ...problems] };
}

/** Changes whenever the file does: size, time and which file it is. '' = there is none. */
async function stampOf(path: string): Promise<string> {
  try {
    const { size, mtimeNs, ino } = await stat(path, { bigint: true });
    return `${size} ${mtimeNs} ${ino}`;
  } catch {
    return '';
  }
}

function unavailable(path: string, cause: unknown, reason?: string): SideboardError {
  const isMissing = (cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
  const why = reason ?? (isMissing ? 'there is no such file' : 'it cannot be read');
  return new SideboardError(
    'REGISTRY_UNAVAILABLE',
    `registry ${path}: ${why}; write it with "sideboard apply" or "feast apply"`,
    { cause },
  );
}
