import { SideboardError } from '../errors.ts';
import type { HashFeatureField } from './find-registry-problems.ts';
import { readRegistryCopy, writeRegistryCopy } from './registry-copy.ts';
import type { RegistrySnapshot, RegistrySource } from './registry-model.ts';
import type { RegistryOrigin } from './registry-origin.ts';
import { validateRegistry, type ValidRegistry } from './validate-registry.ts';

/** Whose part of a registry to serve, how fresh, and whom to tell. */
export interface KeptRegistryOptions {
  readonly project: string;
  readonly versioningEnabled: boolean;
  /** It is read again when the copy in memory is older than this, changed or not; 0 = only when it changed. */
  readonly cacheTtlSeconds: number;
  /** How often it is looked at; 0 = only when `cacheTtlSeconds` are over. */
  readonly pollIntervalMs: number;
  /** How long one look or one read may take. */
  readonly timeoutMs: number;
  /** To find features that overwrite each other in Redis. */
  readonly hashFeatureField: HashFeatureField;
  /** Where what was last served is kept, to start with when the registry cannot be served; absent = nowhere. */
  readonly copyPath?: string | undefined;
  readonly onSwap?: (snapshot: RegistrySnapshot) => void;
  /** What an operator should know and what stops nothing, a sentence each; not again while it stays so. */
  readonly onWarning?: (message: string) => void;
  /** What is there could not be taken; what is served stays. Told once per reason. */
  readonly onFailure?: (error: SideboardError) => void;
}

/**
 * Loads a registry and keeps what is served fresh in the background. One that is empty, cut, of another project or gone never
 * replaces a good one; the work of a refresh is done in slices between requests. When it cannot be served at the
 * start, the copy of the last one that could is.
 *
 * @param origin is closed with the registry, or when it cannot be opened.
 * @throws SideboardError REGISTRY_UNAVAILABLE when there is nothing to start with
 */
export async function openKeptRegistry(
  origin: RegistryOrigin,
  options: KeptRegistryOptions,
): Promise<NamedRegistrySource> {
  const registry = new KeptRegistry(origin, options);
  try {
    await registry.start();
    return registry;
  } catch (error) {
    await registry.close();
    throw error;
  }
}

/** A registry and where it comes from, as messages name it; the name holds no secret. */
export interface NamedRegistrySource extends RegistrySource {
  readonly name: string;
}

class KeptRegistry implements NamedRegistrySource {
  readonly #origin: RegistryOrigin;
  readonly #options: KeptRegistryOptions;
  readonly #listeners = new Set<(snapshot: RegistrySnapshot) => void>();
  #served: ValidRegistry | undefined;
  /** The content that was last looked into, and whether it is what is served. */
  #seen: string | undefined;
  #isSeenServed = false;
  #readAtMs = 0;
  /** When what is served was last known to be the newest; of `performance.now()`. */
  #confirmedAtMs = 0;
  #refreshing: Promise<boolean> | undefined;
  #copying: Promise<void> = Promise.resolve();
  /** What is copied when the copy under way is done; the newest of what came meanwhile. */
  #toCopy: Uint8Array | undefined;
  #lastFailure = '';
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(origin: RegistryOrigin, options: KeptRegistryOptions) {
    this.#origin = origin;
    this.#options = options;
  }

  async start(): Promise<void> {
    try {
      await this.#reload();
    } catch (error) {
      if (!(await this.#startFromCopy())) throw error;
      this.#reportFailure(error as SideboardError);
    }
    const intervalMs = this.#intervalMs();
    if (intervalMs > 0) this.#timer = setInterval(() => void this.#poll(), intervalMs).unref();
  }

  get name(): string {
    return this.#origin.name;
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
    await this.#origin.close();
  }

  /** 0 = never. */
  #intervalMs(): number {
    const { pollIntervalMs, cacheTtlSeconds } = this.#options;
    const ttlMs = cacheTtlSeconds * 1000;
    if (pollIntervalMs === 0) return ttlMs;
    const lookMs = Math.max(pollIntervalMs, this.#origin.minPollMs);
    return ttlMs > 0 ? Math.min(lookMs, ttlMs) : lookMs;
  }

  /** Looks without reading; reads when it changed, when that cannot be told, or when what is known of it is too old. */
  async #poll(): Promise<void> {
    const ttlMs = this.#options.cacheTtlSeconds * 1000;
    const lookedAtMs = performance.now();
    const isDue = ttlMs > 0 && lookedAtMs - this.#readAtMs >= ttlMs;
    const identity = await this.#identify();
    if (this.#isClosed) return;
    if (identity !== undefined && identity === this.#seen && !isDue) {
      // Looks that take long may end in another order than they began.
      if (this.#isSeenServed) this.#confirmedAtMs = Math.max(this.#confirmedAtMs, lookedAtMs);
      return;
    }
    try {
      await this.refresh();
    } catch (error) {
      this.#reportFailure(error as SideboardError);
    }
  }

  async #identify(): Promise<string | undefined> {
    const signal = AbortSignal.timeout(this.#options.timeoutMs);
    return await this.#origin.identify?.(signal).catch(() => undefined);
  }

  /** @throws SideboardError REGISTRY_UNAVAILABLE */
  async #reload(): Promise<boolean> {
    this.#readAtMs = performance.now();
    this.#isSeenServed = false;
    this.#seen = undefined;
    let next: ValidRegistry;
    try {
      const content = await this.#origin.read(AbortSignal.timeout(this.#options.timeoutMs));
      this.#seen = content.identity;
      next = await validateRegistry(content.bytes, this.#options, this.#served);
    } catch (error) {
      throw registryUnavailable(this.#origin, error);
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
    const { copyPath, onWarning } = this.#options;
    if (copyPath === undefined) return false;
    try {
      const copy = await readRegistryCopy(copyPath);
      const served = await validateRegistry(copy.bytes, this.#options, undefined);
      const ageMs = Math.max(0, Date.now() - copy.modifiedMs);
      this.#confirmedAtMs = performance.now() - ageMs;
      const writtenAt = new Date(copy.modifiedMs).toISOString();
      onWarning?.(
        `registry ${this.#origin.name} cannot be served; starting with ${copyPath} of ${writtenAt}`,
      );
      this.#serve(served);
      return true;
    } catch {
      // What is wrong with the registry itself is what the operator has to mend.
      return false;
    }
  }

  #serve(next: ValidRegistry): void {
    const known = new Set(this.#served?.problems);
    this.#served = next;
    const { snapshot } = next.loaded;
    this.#options.onSwap?.(snapshot);
    for (const problem of next.problems) {
      if (!known.has(problem)) this.#options.onWarning?.(problem);
    }
    for (const listener of this.#listeners) listener(snapshot);
  }

  /** Copies in the background; that it cannot is worth a warning and no more. */
  #keepCopy(bytes: Uint8Array): void {
    const { copyPath, onWarning } = this.#options;
    if (copyPath === undefined) return;
    const isAwaited = this.#toCopy !== undefined;
    this.#toCopy = bytes;
    if (isAwaited) return;
    this.#copying = this.#copying
      .then(() => {
        const newest = this.#toCopy ?? bytes;
        this.#toCopy = undefined;
        return writeRegistryCopy(copyPath, newest);
      })
      .catch((error: NodeJS.ErrnoException) =>
        onWarning?.(
          `the registry cannot be copied to ${copyPath} (${error.code ?? error.message}): a start without ${this.#origin.name} will fail; see registry_copy`,
        ),
      );
  }

  #reportFailure(error: SideboardError): void {
    if (this.#isClosed) return;
    if (error.message !== this.#lastFailure) this.#options.onFailure?.(error);
    this.#lastFailure = error.message;
  }
}

/** Says which registry cannot be served, why, and what to do. */
export function registryUnavailable(origin: RegistryOrigin, error: unknown): SideboardError {
  const { reason, remedy } = whyUnavailable(origin, error);
  return new SideboardError(
    'REGISTRY_UNAVAILABLE',
    `registry ${origin.name}: ${reason}; ${remedy}`,
    {
      cause: error instanceof SideboardError ? error.cause : error,
    },
  );
}

/** Why a registry cannot be served, and what to do about it. */
export function whyUnavailable(
  origin: RegistryOrigin,
  error: unknown,
): { readonly reason: string; readonly remedy: string } {
  if (error instanceof SideboardError) return { reason: error.message, remedy: origin.remedy };
  if (error instanceof DOMException && error.name === 'TimeoutError') {
    return {
      reason: 'it did not answer in time (setting registry_timeout_ms)',
      remedy: 'see that this machine reaches it, or give it more time',
    };
  }
  const { reason, remedy = origin.remedy } = origin.explain(error);
  return { reason, remedy };
}
