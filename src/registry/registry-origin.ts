import type { Trouble } from '../explain-unreachable.ts';

/** The bytes of a `feast.core.Registry`, whole. */
export interface RegistryContent {
  readonly bytes: Uint8Array;
  /** What `identify` gives as long as this is what is there; `undefined` = that cannot be told. */
  readonly identity: string | undefined;
}

/** A place that holds a registry: a file, an object in a bucket, tables, a registry server. */
export interface RegistryOrigin {
  /** As messages and logs name it; holds no secret. */
  readonly name: string;
  /** It is looked at no more often than this, whatever the setting says. */
  readonly minPollMs: number;
  /**
   * Tells, without reading it, one content from another; absent where a look costs as much as a read.
   *
   * @returns `undefined` = that cannot be told now: read it.
   */
  readonly identify?: (signal: AbortSignal) => Promise<string | undefined>;
  /** Reads all of it. */
  read(signal: AbortSignal): Promise<RegistryContent>;
  /** Why `read` failed. */
  explain(error: unknown): Trouble;
  /** What an operator does about most failures, as in `write it with "sideboard apply"`. */
  readonly remedy: string;
  /** Ends its connections. */
  close(): Promise<void>;
}
