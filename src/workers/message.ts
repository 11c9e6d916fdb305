import type { Door } from '../port/connection-router.ts';

/** What the supervisor says to a worker. */
export type ToWorker =
  /** Comes with the connection itself. */
  | { readonly kind: 'connection'; readonly id: number; readonly door: Door }
  | { readonly kind: 'collect'; readonly id: number }
  | ({ readonly kind: 'registry-state' } & RegistryState)
  /** The answer to a question of that id. */
  | { readonly kind: 'registry'; readonly id: number; readonly answer: RegistryAnswer }
  /** Answer what has arrived, and end. */
  | { readonly kind: 'drain' };

/** Metrics as JSON, as prom-client makes and combines them. */
export type MetricsJson = readonly object[];

/** What the supervisor knows of the registry. */
export interface RegistryState {
  /** Counts the changes of its content. */
  readonly generation: number;
  /** Whether that is what was there when it was looked at last; false = it could not be read. */
  readonly isKnown: boolean;
}

/** What the supervisor found where the registry is. */
export type RegistryAnswer = {
  /** As messages name the place. */
  readonly name: string;
  /** What an operator does when it cannot be read. */
  readonly remedy: string;
} & (
  | { readonly bytes: Uint8Array; readonly generation: number }
  /** Why it cannot be read. */
  | { readonly bytes?: undefined; readonly reason: string }
);

/** What a worker says to the supervisor. */
export type FromWorker =
  | {
      readonly kind: 'serving';
      /** Where it listens itself; `undefined` = it waits for connections. */
      readonly port: number | undefined;
    }
  /** The worker has that connection now. */
  | { readonly kind: 'taken'; readonly id: number }
  /** Asks for the registry; `isFresh` = looked at now. */
  | { readonly kind: 'registry'; readonly id: number; readonly isFresh: boolean }
  /** So many of its connections have closed since it said so last. */
  | { readonly kind: 'closed'; readonly count: number }
  | { readonly kind: 'metrics'; readonly id: number; readonly metrics: MetricsJson }
  /** The last ones of a worker that has drained. */
  | { readonly kind: 'farewell'; readonly metrics: MetricsJson };
