import { isSideboardError, type SideboardError } from '../errors.ts';
import type { AskingCall } from '../call/access.ts';
import type { CallerSignal } from '../call/caller-signal.ts';
import { decodeIngestRequest, frameOfRows } from './decode-ingest.ts';
import type { IngestRows, IngestTarget } from './decode-ingest.ts';
import type { FeatureWriter } from './feature-writer.ts';
import { PlannedRows, type PlannedWrite } from './planned-write.ts';
import { invalidFrame } from './write-errors.ts';

/** Acknowledges rows up to an id. */
export interface Acknowledgement {
  readonly acknowledgedId: bigint;
  readonly written: number;
  readonly stale: number;
  readonly rejections: readonly { readonly id: bigint; readonly error: SideboardError }[];
}

/** What a stream of rows is connected to. */
export interface WriteStreamOptions {
  readonly writer: FeatureWriter;
  readonly acknowledge: (acknowledgement: Acknowledgement) => void;
  /** Stops, or goes on with, taking bytes from the client. */
  readonly hold: (isHeld: boolean) => void;
  /** Everything is acknowledged; or the stream cannot go on. */
  readonly end: (error?: unknown) => void;
  readonly signal: CallerSignal;
  readonly deadlineAtMs: number;
  /** The call that sends the rows; needed where the writer asks who may write. */
  readonly call: AskingCall | undefined;
}

/** Takes the requests of one call. */
export interface WriteStream {
  /** Rows that were taken so far. */
  readonly rowCount: number;
  onRequest(message: Uint8Array): void;
  /** The client sends no more. */
  onEnd(): void;
}

/** Bytes of rows that may wait: enough to have the next write ready, little to hold in memory for every client. */
const MAX_WAITING_BYTES = 1024 * 1024;
/** What goes to the store at once. */
const MAX_BATCH_BYTES = 512 * 1024;
/** What a request costs beside its bytes, counted as bytes: many that say nothing are as much work as rows. */
const REQUEST_BYTES = 128;
/** How long one write may take. */
const WRITE_TIMEOUT_MS = 30_000;

/** Rows that wait for their turn, with the target that they came for. */
interface Waiting extends IngestRows {
  readonly target: IngestTarget;
}

/**
 * Writes rows as they come: while a batch is on its way to the store the next one gathers, so that the number of rows per
 * write, and per acknowledgement, follows from how fast the store is. What is wrong with some rows rejects them alone; what
 * is no request ends the stream.
 */
export function createWriteStream(options: WriteStreamOptions): WriteStream {
  const { writer, acknowledge, hold, end, signal } = options;
  let target: IngestTarget | undefined;
  let lastId = -1n;
  let waiting: Waiting[] = [];
  let waitingBytes = 0;
  let isHeld = false;
  let isWriting = false;
  let isEnded = false;
  let rowCount = 0;

  const setHeld = (held: boolean): void => {
    if (held !== isHeld) {
      isHeld = held;
      hold(held);
    }
  };
  const takeBatch = (): Waiting[] => {
    let count = 0;
    let bytes = 0;
    while (count < waiting.length && (count === 0 || bytes < MAX_BATCH_BYTES)) {
      bytes += sizeOf(waiting[count]!);
      count++;
    }
    const batch = waiting.slice(0, count);
    waiting = waiting.slice(count);
    waitingBytes -= bytes;
    return batch;
  };
  const writeBatch = async (batch: readonly Waiting[]): Promise<void> => {
    const planned: PlannedWrite[] = [];
    const plannedRows = new PlannedRows();
    const ids: bigint[] = [];
    const rejections: { id: bigint; error: SideboardError }[] = [];
    for (const rows of batch) {
      try {
        const frame = frameOfRows(rows, rows.target.columns);
        const plan = writer.plan(rows.target, frame, options.call, plannedRows);
        planned.push(plan instanceof Promise ? await plan : plan);
        ids.push(rows.id);
        rowCount += frame.rowCount;
      } catch (error) {
        // Whoever it was has nothing more to say: what is not acknowledged is not written.
        if (isSideboardError(error) && error.code === 'UNAUTHENTICATED') throw error;
        rejections.push({ id: rows.id, error: asRejection(error) });
      }
    }
    const deadlineAtMs = Math.min(options.deadlineAtMs, performance.now() + WRITE_TIMEOUT_MS);
    const { written, stale, errors } = await writer.carryOut(planned, plannedRows, {
      deadlineAtMs,
      signal,
    });
    for (const [i, error] of errors.entries()) {
      if (error !== undefined) rejections.push({ id: ids[i]!, error: asRejection(error) });
    }
    if (signal.aborted) return;
    rejections.sort((a, b) => (a.id < b.id ? -1 : 1));
    acknowledge({ acknowledgedId: batch.at(-1)!.id, written, stale, rejections });
  };
  const pump = async (): Promise<void> => {
    if (isWriting) return;
    isWriting = true;
    try {
      // What arrives in the same turn of the event loop goes along.
      await Promise.resolve();
      while (waiting.length > 0 && !signal.aborted) {
        const batch = takeBatch();
        if (waitingBytes < MAX_WAITING_BYTES / 2) setHeld(false);
        await writeBatch(batch);
      }
    } catch (error) {
      end(error);
      return;
    }
    isWriting = false;
    if (isEnded && !signal.aborted) end();
  };

  return {
    get rowCount() {
      return rowCount;
    },
    onRequest(message) {
      const request = decodeIngestRequest(message);
      if (request.kind === 'target') {
        target = request.target;
        return;
      }
      if (target === undefined) {
        throw invalidFrame('the first request has to name the target of the rows');
      }
      if (request.rows.id <= lastId) {
        throw invalidFrame(`ids have to grow: ${request.rows.id} came after ${lastId}`);
      }
      lastId = request.rows.id;
      waiting.push({ ...request.rows, target });
      waitingBytes += sizeOf(request.rows);
      if (waitingBytes > MAX_WAITING_BYTES) setHeld(true);
      void pump();
    },
    onEnd() {
      isEnded = true;
      void pump();
    },
  };
}

function sizeOf({ message }: IngestRows): number {
  return REQUEST_BYTES + message.length;
}

/** What is no error of ours is a bug: it ends the stream. */
function asRejection(error: unknown): SideboardError {
  if (isSideboardError(error)) return error;
  throw error;
}
