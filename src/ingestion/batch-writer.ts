import type { OnlineStore, ViewLayout, WriteRow } from '../online-store/online-store.ts';

/** Batches on their way to the store at once: enough to hide a round trip, little to hold in memory. */
const MAX_BATCHES_IN_FLIGHT = 4;

/** How long one batch may take. */
const WRITE_TIMEOUT_MS = 60_000;

/** Where the rows of one view go. */
export interface BatchWriterOptions {
  readonly store: OnlineStore;
  readonly project: string;
  /** Sorted as in the entity keys. */
  readonly joinKeys: readonly string[];
  readonly view: ViewLayout;
  readonly batchRows: number;
  readonly signal?: AbortSignal | undefined;
  /** Called after each batch with all that was written and skipped so far. */
  readonly onWritten: (totals: WriteTotals) => void;
}

/** Rows that the store took, and those it skipped because it held the same or a newer event. */
export interface WriteTotals {
  readonly written: number;
  readonly stale: number;
}

/** Gathers rows into batches and keeps a few of them in flight. */
export interface BatchWriter {
  /** Resolves at once, or when there is room again. Rejects when a batch has failed. */
  add(row: WriteRow): Promise<void> | undefined;
  /** Writes what is left and waits for all batches. Rejects when one has failed. */
  finish(): Promise<WriteTotals>;
  /** Waits for the batches in flight, however they end; nothing more is written. */
  abandon(): Promise<void>;
}

export function createBatchWriter(options: BatchWriterOptions): BatchWriter {
  const inFlight = new Set<Promise<void>>();
  const totals = { written: 0, stale: 0 };
  let failure: { readonly error: unknown } | undefined;
  let rows: WriteRow[] = [];

  const writeBatch = async (batch: readonly WriteRow[]): Promise<void> => {
    try {
      const { written, stale } = await options.store.write(
        { project: options.project, joinKeys: options.joinKeys, view: options.view, rows: batch },
        { deadlineAtMs: performance.now() + WRITE_TIMEOUT_MS, signal: options.signal },
      );
      totals.written += written;
      totals.stale += stale;
      options.onWritten({ ...totals });
    } catch (error) {
      failure ??= { error };
    }
  };
  const flush = async (): Promise<void> => {
    const writing = writeBatch(rows);
    rows = [];
    const done = writing.finally(() => inFlight.delete(done));
    inFlight.add(done);
    if (inFlight.size >= MAX_BATCHES_IN_FLIGHT) {
      await Promise.race(inFlight);
    }
    throwFailure(failure);
  };
  return {
    add(row) {
      rows.push(row);
      return rows.length < options.batchRows ? undefined : flush();
    },
    async finish() {
      if (rows.length > 0) {
        await flush();
      }
      await Promise.all(inFlight);
      throwFailure(failure);
      return { ...totals };
    },
    async abandon() {
      rows = [];
      await Promise.all(inFlight);
    },
  };
}

function throwFailure(failure: { readonly error: unknown } | undefined): void {
  if (failure !== undefined) {
    throw failure.error;
  }
}
