/** How much a finding matters, gravest first; `unknown` = could not be looked at, and why. */
export const FINDING_LEVELS = ['error', 'warning', 'advice', 'unknown', 'ok'] as const;

/**
 * `error`: features are lost or wrong, now or at the next fault. `warning`: will hurt sooner or later. `advice`: a setting
 * that would serve better.
 */
export type FindingLevel = (typeof FINDING_LEVELS)[number];

/** What the doctor looks at; one name per kind of finding. */
export type Check =
  | 'nodes'
  | 'versions'
  | 'settings'
  | 'memory'
  | 'eviction'
  | 'connections'
  | 'slots'
  | 'replicas'
  | 'zones'
  | 'balance'
  | 'time-to-live'
  | 'encoding'
  | 'big-hashes'
  | 'hot-keys'
  | 'fields'
  | 'collisions'
  | 'freshness';

/** One finding. Never holds a feature value, an entity value or a secret. */
export interface Finding {
  readonly check: Check;
  readonly level: FindingLevel;
  /** Address of the node, name of the shard, view or entity that it is about; absent = the store as a whole. */
  readonly where?: string;
  /** One or two sentences. */
  readonly message: string;
  /** What to do about it. */
  readonly remedy?: string;
}

/** How a figure came about. */
export type Basis =
  /** Redis's own count of the time in these commands, with nobody else's among them. */
  | 'measured'
  /** Time until the replies were here: others' commands and the network are in it. */
  | 'wall clock'
  /** Measured on copies of the store's hashes in a throwaway Redis on this machine. */
  | 'measured on copies'
  /** From a model; see `packing-model.ts`. */
  | 'estimated';
