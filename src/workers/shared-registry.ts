import { whyUnavailable } from '../registry/kept-registry.ts';
import type { RegistryOrigin } from '../registry/registry-origin.ts';
import type { RegistryAnswer, RegistryState } from './message.ts';

/** How often a registry is looked at; as for a server that reads it itself. */
export interface SharedRegistryOptions {
  /** It is read again when what is known of it is older than this; 0 = only when it changed. */
  readonly cacheTtlSeconds: number;
  /** 0 = only when `cacheTtlSeconds` are over. */
  readonly pollIntervalMs: number;
  /** How long one look or one read may take. */
  readonly timeoutMs: number;
  readonly onState: (state: RegistryState) => void;
}

/** A registry that is read once for all workers; it is not looked into here, that is theirs to do. */
export interface SharedRegistry {
  /**
   * What is there. Never rejects.
   *
   * @param isFresh whether it has to be looked at now; otherwise what was read last will do
   */
  read(isFresh: boolean): Promise<RegistryAnswer>;
  close(): Promise<void>;
}

/** Whether a registry of that kind is read once for all workers; a file each of them reads by itself. */
export function isShared(kind: string): boolean {
  return kind !== 'file';
}

/** @param origin is closed with the registry */
export function shareRegistry(
  origin: RegistryOrigin,
  options: SharedRegistryOptions,
): SharedRegistry {
  const ttlMs = options.cacheTtlSeconds * 1000;
  const named = { name: origin.name, remedy: origin.remedy };
  let state: RegistryState = { generation: 0, isKnown: false };
  let bytes: Uint8Array | undefined;
  let identity: string | undefined;
  let readAtMs = -Infinity;
  /** The look that is under way, and the one after it: what has begun may have missed a change. */
  let current: Promise<RegistryAnswer> | undefined;
  let next: Promise<RegistryAnswer> | undefined;

  const become = (generation: number, isKnown: boolean): void => {
    if (state.generation === generation && state.isKnown === isKnown) return;
    state = { generation, isKnown };
    options.onState(state);
  };
  const isUnchanged = async (): Promise<boolean> => {
    if (bytes === undefined || (ttlMs > 0 && performance.now() - readAtMs >= ttlMs)) return false;
    const signal = AbortSignal.timeout(options.timeoutMs);
    const found = await origin.identify?.(signal).catch(() => undefined);
    return found !== undefined && found === identity;
  };
  const look = async (): Promise<RegistryAnswer> => {
    try {
      if (bytes !== undefined && (await isUnchanged())) {
        become(state.generation, true);
        return { ...named, generation: state.generation, bytes };
      }
      const content = await origin.read(AbortSignal.timeout(options.timeoutMs));
      const isNew = bytes === undefined || Buffer.compare(bytes, content.bytes) !== 0;
      ({ bytes, identity } = content);
      readAtMs = performance.now();
      become(state.generation + (isNew ? 1 : 0), true);
      return { ...named, generation: state.generation, bytes };
    } catch (error) {
      become(state.generation, false);
      return { ...named, ...whyUnavailable(origin, error) };
    }
  };
  const start = (): Promise<RegistryAnswer> => {
    current = look().finally(() => {
      current = undefined;
    });
    return current;
  };
  const lookNow = (): Promise<RegistryAnswer> => {
    if (current === undefined) return start();
    next ??= current.then(() => {
      next = undefined;
      return start();
    });
    return next;
  };

  const pollMs = Math.max(options.pollIntervalMs, origin.minPollMs);
  const intervalMs =
    options.pollIntervalMs === 0 ? ttlMs : ttlMs > 0 ? Math.min(pollMs, ttlMs) : pollMs;
  // That it fails is told to the workers, which ask then.
  const timer = intervalMs > 0 ? setInterval(() => void lookNow(), intervalMs).unref() : undefined;
  return {
    read(isFresh): Promise<RegistryAnswer> {
      if (isFresh) return lookNow();
      if (bytes === undefined) return current ?? start();
      return Promise.resolve({ ...named, generation: state.generation, bytes });
    },
    async close(): Promise<void> {
      clearInterval(timer);
      await (next ?? current);
      await origin.close();
    },
  };
}
