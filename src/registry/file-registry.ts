import { SideboardError } from '../errors.ts';
import type { HashFeatureField } from './find-registry-problems.ts';
import { identifyFile, readSettledFile, type FileIdentity } from './read-settled-file.ts';
import { readRegistryCopy, writeRegistryCopy } from './registry-copy.ts';
import type { RegistrySnapshot, RegistrySource } from './registry-model.ts';
import { validateRegistry, type ValidRegistry } from './validate-registry.ts';

/** A registry file, whose part of it to serve, and whom to tell. */
export interface FileRegistryOptions {
  /** Absolute. */
  readonly path: string;
  readonly project: string;
  readonly versioningEnabled: boolean;
  /** The file is read again when the copy in memory is older than this, changed or not; 0 = only when it changed. */
  readonly cacheTtlSeconds: number;
  /** How often the file is looked at; 0 = only when `cacheTtlSeconds` are over. */
  readonly pollIntervalMs: number;
  /** To find features that overwrite each other in Redis. */
  readonly hashFeatureField: HashFeatureField;
  /** Where what was last served is kept, to start with when the file cannot be served; absent = nowhere. */
  readonly copyPath?: string | undefined;
  readonly onSwap?: (snapshot: RegistrySnapshot) => void;
  /** What an operator should know and what stops nothing, a sentence each. */
  readonly onWarning?: (message: string) => void;
  /** The file could not be taken; what is served stays. Told once per reason. */
  readonly onFailure?: (error: SideboardError) => void;
}

/**
 * Loads a registry file and keeps what is served fresh in the background. A file that is empty, cut, of another project
 * or gone never replaces a good registry; the work of a refresh is done in slices between requests. When the file cannot
 * be served at the start, its copy is.
 *
 * @throws SideboardError REGISTRY_UNAVAILABLE when there is nothing to start with
 */
export async function openFileRegistry(options: FileRegistryOptions): Promise<RegistrySource> {
  const registry = new FileRegistry(options);
  await registry.start();
  return registry;
}

class FileRegistry implements RegistrySource {
  readonly #options: FileRegistryOptions;
  readonly #listeners = new Set<(snapshot: RegistrySnapshot) => void>();
  #served: ValidRegistry | undefined;
  /** The content of the file that was last looked into, and whether it is what is served. */
  #seen: FileIdentity | undefined;
  #isSeenServed = false;
  #readAtMs = 0;
  /** When what is served was last known to be the newest; of `performance.now()`. */
  #confirmedAtMs = 0;
  #refreshing: Promise<boolean> | undefined;
  #copying: Promise<void> = Promise.resolve();
  #lastFailure = '';
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: FileRegistryOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    try {
      await this.#reload();
    } catch (error) {
      if (!(await this.#startFromCopy())) throw error;
      this.#reportFailure(error as SideboardError);
    }
    const { pollIntervalMs, cacheTtlSeconds } = this.#options;
    const intervalMs = pollIntervalMs || cacheTtlSeconds * 1000;
    if (intervalMs > 0) this.#timer = setInterval(() => void this.#poll(), intervalMs).unref();
  }

  current(): RegistrySnapshot {
    if (this.#served !== undefined) return this.#served.loaded.snapshot;
    throw new SideboardError('REGISTRY_UNAVAILABLE', 'no registry is loaded yet');
  }

  ageMs(): number {
    return performance.now() - this.#confirmedAtMs;
  }

  onChange(listener: (snapshot: RegistrySnapshot) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  refresh(): Promise<boolean> {
    this.#refreshing ??= this.#reload().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    await this.#refreshing?.catch(() => {});
    await this.#copying;
  }

  /** Looks at the file without reading it; reads it when it changed, or when what is known of it is too old. */
  async #poll(): Promise<void> {
    const ttlMs = this.#options.cacheTtlSeconds * 1000;
    const isDue = ttlMs > 0 && performance.now() - this.#readAtMs >= ttlMs;
    const identity = await identifyFile(this.#options.path).catch(() => undefined);
    if (this.#isClosed) return;
    if (identity !== undefined && identity === this.#seen && !isDue) {
      if (this.#isSeenServed) this.#confirmedAtMs = performance.now();
      return;
    }
    try {
      await this.refresh();
    } catch (error) {
      this.#reportFailure(error as SideboardError);
    }
  }

  /** @throws SideboardError REGISTRY_UNAVAILABLE */
  async #reload(): Promise<boolean> {
    const { path } = this.#options;
    this.#readAtMs = performance.now();
    this.#isSeenServed = false;
    this.#seen = undefined;
    let next: ValidRegistry;
    try {
      const file = await readSettledFile(path);
      this.#seen = file.identity;
      next = await validateRegistry(file.bytes, this.#options, this.#served);
    } catch (error) {
      throw unavailable(path, error);
    }
    this.#isSeenServed = true;
    this.#confirmedAtMs = this.#readAtMs;
    this.#lastFailure = '';
    if (next === this.#served) return false;
    this.#serve(next);
    this.#keepCopy(next.loaded.bytes);
    return true;
  }

  async #startFromCopy(): Promise<boolean> {
    const { copyPath, path, onWarning } = this.#options;
    if (copyPath === undefined) return false;
    try {
      const copy = await readRegistryCopy(copyPath);
      const served = await validateRegistry(copy.bytes, this.#options, undefined);
      const ageMs = Math.max(0, Date.now() - copy.modifiedMs);
      this.#confirmedAtMs = performance.now() - ageMs;
      const writtenAt = new Date(copy.modifiedMs).toISOString();
      onWarning?.(`registry ${path} cannot be served; starting with ${copyPath} of ${writtenAt}`);
      this.#serve(served);
      return true;
    } catch {
      // What is wrong with the file itself is what the operator has to mend.
      return false;
    }
  }

  #serve(next: ValidRegistry): void {
    this.#served = next;
    const { snapshot } = next.loaded;
    this.#options.onSwap?.(snapshot);
    for (const problem of next.problems) this.#options.onWarning?.(problem);
    for (const listener of this.#listeners) listener(snapshot);
  }

  /** Copies in the background; that it cannot is worth a warning and no more. */
  #keepCopy(bytes: Uint8Array): void {
    const { copyPath, onWarning } = this.#options;
    if (copyPath === undefined) return;
    this.#copying = this.#copying
      .then(() => writeRegistryCopy(copyPath, bytes))
      .catch((error: NodeJS.ErrnoException) =>
        onWarning?.(
          `the registry cannot be copied to ${copyPath} (${error.code ?? error.message}): a start without ${this.#options.path} will fail; see registry_copy`,
        ),
      );
  }

  #reportFailure(error: SideboardError): void {
    if (this.#isClosed) return;
    if (error.message !== this.#lastFailure) this.#options.onFailure?.(error);
    this.#lastFailure = error.message;
  }
}

function unavailable(path: string, error: unknown): SideboardError {
  const { code, message } = error as NodeJS.ErrnoException;
  const why =
    error instanceof SideboardError
      ? message
      : code === 'ENOENT'
        ? 'there is no such file'
        : `it cannot be read${code === undefined ? '' : ` (${code})`}`;
  return new SideboardError(
    'REGISTRY_UNAVAILABLE',
    `registry ${path}: ${why}; write it with "sideboard apply" or "feast apply"`,
    { cause: error instanceof SideboardError ? error.cause : error },
  );
}
