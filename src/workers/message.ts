import type { Door } from '../connection-router.ts';

/** What the supervisor says to a worker. */
export type ToWorker =
  /** Comes with the connection itself. */
  | { readonly kind: 'connection'; readonly id: number; readonly door: Door }
  | { readonly kind: 'collect'; readonly id: number }
  /** Answer what has arrived, and end. */
  | { readonly kind: 'drain' };

/** Metrics as JSON, as prom-client makes and combines them. */
export type MetricsJson = readonly object[];

/** What a worker says to the supervisor. */
export type FromWorker =
  | {
      readonly kind: 'serving';
      /** Where it listens itself; `undefined` = it waits for connections. */
      readonly port: number | undefined;
    }
  /** The worker has that connection now. */
  | { readonly kind: 'taken'; readonly id: number }
  /** So many of its connections have closed since it said so last. */
  | { readonly kind: 'closed'; readonly count: number }
  | { readonly kind: 'metrics'; readonly id: number; readonly metrics: MetricsJson }
  /** The last ones of a worker that has drained. */
  | { readonly kind: 'farewell'; readonly metrics: MetricsJson };
