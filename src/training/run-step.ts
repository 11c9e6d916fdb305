import type { ScratchConnection } from '../ingestion/scratch-connection.ts';
import { cancelled, SideboardError } from '../errors.ts';

const PROGRESS_INTERVAL_MS = 200;

/** How a step is watched. */
export interface StepOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called with 0 at the start, 100 at the end, and in between with what DuckDB believes. */
  readonly onPercent: (percent: number) => void;
}

/**
 * Runs one statement that may take long.
 *
 * @throws SideboardError CANCELLED when the signal came; LIMIT_EXCEEDED when memory or the temporary folder does not suffice.
 */
export async function runStep(
  connection: ScratchConnection,
  sql: string,
  { signal, onPercent }: StepOptions,
): Promise<void> {
  onPercent(0);
  // DuckDB counts only with the bar on, which would draw itself.
  await connection.run('SET enable_progress_bar_print = false');
  await connection.run('SET enable_progress_bar = true');
  if (signal?.aborted === true) throw cancelled();
  const timer = setInterval(() => {
    const { percentage } = connection.progress;
    if (percentage > 0) onPercent(Math.min(100, percentage));
  }, PROGRESS_INTERVAL_MS);
  const interrupt = (): void => connection.interrupt();
  signal?.addEventListener('abort', interrupt);
  try {
    await connection.run(sql);
  } catch (error) {
    throw isInterrupted(error) ? cancelled() : (outOfMemory(error) ?? error);
  } finally {
    clearInterval(timer);
    signal?.removeEventListener('abort', interrupt);
  }
  onPercent(100);
}

/** Nothing but the signal interrupts. */
function isInterrupted(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('INTERRUPT Error');
}

function outOfMemory(error: unknown): SideboardError | undefined {
  if (!(error instanceof Error) || !error.message.startsWith('Out of Memory Error')) {
    return undefined;
  }
  return new SideboardError(
    'LIMIT_EXCEEDED',
    'the join needs more memory, or more room in its temporary folder, than it may have; raise --memory-limit, or name a larger --temp-directory',
    { cause: error },
  );
}
