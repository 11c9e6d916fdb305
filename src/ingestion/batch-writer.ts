import { RowSlab } from '../feast-encoding/row-slab.ts';
import type { OnlineStore, ViewLayout } from '../online-store/online-store.ts';

/** Batches on their way to the store at once: enough to hide a round trip, little to hold in memory. */
const MAX_BATCHES_IN_FLIGHT = 4;

/** A batch that holds so much goes, however few its rows are. */
const MAX_BATCH_BYTES = 4 * 1024 * 1024;

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
  /** Where the next row goes; another one after `flushIfFull`. */
  readonly slab: RowSlab;
  /** Resolves at once, or when there is room again. Rejects when a batch has failed. */
  flushIfFull(): Promise<void> | undefined;
  /** Writes what is left and waits for all batches. Rejects when one has failed. */
  finish(): Promise<WriteTotals>;
  /** Waits for the batches in flight, however they end; nothing more is written. */
  abandon(): Promise<void>;
}

export function createBatchWriter(options: BatchWriterOptions): BatchWriter {
  const inFlight = new Set<Promise<void>>();
  const totals = { written: 0, stale: 0 };
  let failure: { readonly error: unknown } | undefined;
  const width = options.view.featureNames.length;
  const idle: RowSlab[] = [];
  let slab = new RowSlab(width);

  const writeBatch = async (rows: RowSlab): Promise<void> => {
    try {
      const { written, stale } = await options.store.write(
        { project: options.project, joinKeys: options.joinKeys, view: options.view, rows },
        { deadlineAtMs: performance.now() + WRITE_TIMEOUT_MS, signal: options.signal },
      );
      totals.written += written;
      totals.stale += stale;
      options.onWritten({ ...totals });
    } catch (error) {
      failure ??= { error };
    }
    rows.clear();
    idle.push(rows);
  };
  const flush = async (): Promise<void> => {
    const writing = writeBatch(slab);
    slab = idle.pop() ?? new RowSlab(width);
    const done = writing.finally(() => inFlight.delete(done));
    inFlight.add(done);
    if (inFlight.size >= MAX_BATCHES_IN_FLIGHT) {
      await Promise.race(inFlight);
    }
    throwFailure(failure);
  };
  return {
    get slab() {
      return slab;
    },
    flushIfFull: () =>
      slab.length < options.batchRows && slab.out.at < MAX_BATCH_BYTES ? undefined : flush(),
    async finish() {
      if (slab.length > 0) {
        await flush();
      }
      await Promise.all(inFlight);
      throwFailure(failure);
      return { ...totals };
    },
    async abandon() {
      slab.clear();
      await Promise.all(inFlight);
    },
  };
}

function throwFailure(failure: { readonly error: unknown } | undefined): void {
  if (failure !== undefined) {
    throw failure.error;
  }
}
