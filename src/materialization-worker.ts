import { parentPort, workerData } from 'node:worker_threads';
import { runMaterialization } from './cli/run-materialization.ts';
import type { Config } from './config/config.ts';
import { isSideboardError, SideboardError } from './errors.ts';
import type { MaterializationRun } from './ingestion/materialization-jobs.ts';

/** What the thread is started with. */
export interface WorkerOrder {
  readonly config: Config;
  readonly run: MaterializationRun;
}

/** What it sends back when it is done, once. */
export type WorkerReport =
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly code: SideboardError['code']; readonly message: string }
  | { readonly kind: 'broken'; readonly stack: string };

// A materialization on a thread of its own, so that requests go on meanwhile. Any message ends it.
const { config, run } = workerData as WorkerOrder;
const abort = new AbortController();
parentPort!.once('message', () => {
  abort.abort(new SideboardError('CANCELLED', 'the server is stopping'));
});
const report = (message: WorkerReport): void => {
  parentPort!.postMessage(message);
  parentPort!.close();
};
try {
  await runMaterialization({ config, ...run, signal: abort.signal });
  report({ kind: 'done' });
} catch (error) {
  report(
    isSideboardError(error)
      ? { kind: 'failed', code: error.code, message: error.message }
      : { kind: 'broken', stack: error instanceof Error ? (error.stack ?? '') : String(error) },
  );
}
