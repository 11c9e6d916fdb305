import { Worker } from 'node:worker_threads';
import { cancelled, SideboardError } from '../errors.ts';
import type { FunctionReport, ThreadOrder } from './function-worker.ts';
import type { FunctionCall, FunctionResult } from './run-function.ts';
import { transformationFailed } from './transformation-errors.ts';

/** What functions may take. */
export interface FunctionLimits {
  /** Of one call. */
  readonly timeoutMs: number;
  /** Of the heap of the thread, in MiB. */
  readonly memoryMib: number;
  /** Hears of what functions left behind to fail later. */
  onStray(message: string): void;
}

/** A thread with the functions of a feature repository, as they were when it started. */
export interface FunctionThread {
  /** On-demand view → what tells one state of its function from another. */
  readonly hashes: ReadonlyMap<string, string>;
  isAlive(): boolean;
  /**
   * Calls are run one after the other, in their order; one that nobody waits for any more when it is its turn is not.
   *
   * @throws SideboardError (by rejection) as `runFunction`; TRANSFORMATION_FAILED for a call that took too long or ended the
   *   thread; `ThreadLost` for those that waited behind it.
   */
  run(call: FunctionCall, isWanted: () => boolean): Promise<FunctionResult>;
  /** Ends the thread when what it was asked for is done. */
  retire(): void;
  /** Ends it now. */
  close(): Promise<void>;
}

/** The thread ended before it came to a call, which may be made again. */
export class ThreadLost extends Error {
  override readonly name = 'ThreadLost';
}

interface WaitingCall {
  readonly call: FunctionCall;
  isWanted(): boolean;
  resolve(result: FunctionResult): void;
  reject(error: Error): void;
}

/** Sources run as they are; the image has them compiled. */
const WORKER = new URL(
  import.meta.url.endsWith('.ts') ? './function-worker.ts' : './function-worker.js',
  import.meta.url,
);

/** How long files may take to be imported: one that never comes to its end must not hold requests for ever. */
const LOAD_TIMEOUT_MS = 20_000;

/** Starts a thread; rejects when the repository cannot be loaded. */
export function startFunctionThread(
  order: ThreadOrder,
  limits: FunctionLimits,
  loadTimeoutMs = LOAD_TIMEOUT_MS,
): Promise<FunctionThread> {
  const worker = new Worker(WORKER, {
    workerData: order,
    execArgv: ['--disable-warning=ExperimentalWarning'],
    resourceLimits: { maxOldGenerationSizeMb: limits.memoryMib },
    // Functions have no business with secrets of the server.
    env: {},
  });
  return new Promise((resolve, reject) => {
    const end = (): void => reject(notLoaded('loading it ended the thread'));
    const timer = setTimeout(() => {
      reject(notLoaded(`loading it took longer than ${loadTimeoutMs} ms`));
      void worker.terminate();
    }, loadTimeoutMs);
    worker.once('error', reject).once('exit', end);
    worker.once('exit', () => clearTimeout(timer));
    worker.once('message', (report: FunctionReport) => {
      clearTimeout(timer);
      worker.off('error', reject).off('exit', end);
      if (report.kind === 'ready') resolve(watchThread(worker, report.hashes, limits));
      else if (report.kind === 'failed') reject(new SideboardError(report.code, report.message));
    });
  });
}

function watchThread(
  worker: Worker,
  hashes: ReadonlyMap<string, string>,
  { timeoutMs, onStray }: FunctionLimits,
): FunctionThread {
  const waiting: WaitingCall[] = [];
  let running: WaitingCall | undefined;
  let alive = true;
  let retiring = false;
  let timer: NodeJS.Timeout | undefined;
  /** One call at a time is with the thread, so that it alone is blamed for what becomes of it. */
  const runNext = (): void => {
    running = undefined;
    clearTimeout(timer);
    for (;;) {
      const next = waiting.shift();
      if (next === undefined) break;
      if (!next.isWanted()) {
        next.reject(cancelled());
        continue;
      }
      running = next;
      const { values } = next.call;
      worker.postMessage(next.call, [values.bytes.buffer, values.ends.buffer]);
      timer = setTimeout(end, timeoutMs, `took longer than function_timeout_ms (${timeoutMs} ms)`);
      return;
    }
    if (retiring) end('');
  };
  const end = (detail: string): void => {
    if (!alive) return;
    alive = false;
    clearTimeout(timer);
    void worker.terminate();
    if (running !== undefined) {
      running.reject(transformationFailed(running.call.viewName, `its function ${detail}`));
    }
    for (const { reject } of waiting.splice(0)) reject(new ThreadLost('the thread ended'));
  };
  worker.on('message', (report: FunctionReport) => {
    if (report.kind === 'stray') {
      onStray(`a function of an on-demand view left work behind that threw ${report.place}`);
      return;
    }
    if (report.kind === 'done') running?.resolve(report.result);
    else if (report.kind === 'failed') {
      running?.reject(new SideboardError(report.code, report.message));
    }
    runNext();
  });
  worker.on('error', (error: NodeJS.ErrnoException) => {
    end(
      error.code === 'ERR_WORKER_OUT_OF_MEMORY'
        ? 'took too much memory'
        : 'broke the thread that it runs on',
    );
  });
  worker.on('exit', () => end('ended the thread that it runs on'));
  return {
    hashes,
    isAlive: () => alive,
    run: (call, isWanted) =>
      new Promise((resolve, reject) => {
        waiting.push({ call, isWanted, resolve, reject });
        if (running === undefined) runNext();
      }),
    retire(): void {
      retiring = true;
      if (running === undefined) end('');
    },
    async close(): Promise<void> {
      end('was stopped: the server is stopping');
      await worker.terminate();
    },
  };
}

function notLoaded(why: string): SideboardError {
  return new SideboardError('TRANSFORMATION_UNAVAILABLE', why);
}
