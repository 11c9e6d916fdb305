import { realpath } from 'node:fs/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { loadFeatureRepository } from '../definitions/load-feature-repository.ts';
import { isSideboardError, type ErrorCode } from '../errors.ts';
import { errorPlace } from './error-place.ts';
import { runFunction, type FunctionCall, type FunctionResult } from './run-function.ts';
import { transformationFailed } from './transformation-errors.ts';

/** What the thread is started with. */
export interface ThreadOrder {
  /** Absolute path of the feature repository. */
  readonly repoPath: string;
  readonly onError: 'fail' | 'invalid';
}

/** What it sends: once that it is ready, then one answer per call, in their order. */
export type FunctionReport =
  | { readonly kind: 'ready'; readonly hashes: ReadonlyMap<string, string> }
  | { readonly kind: 'done'; readonly result: FunctionResult }
  /** What a function had begun failed later: `TypeError at features.ts:3:1`. */
  | { readonly kind: 'stray'; readonly place: string }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string };

// Functions of on-demand views on a thread of their own: one that loops or eats memory takes this thread down, not the server.
const { repoPath, onError } = workerData as ThreadOrder;
const port = parentPort!;

function failed(error: unknown): FunctionReport {
  if (!isSideboardError(error)) throw error;
  return { kind: 'failed', code: error.code, message: error.message };
}

try {
  const root = await realpath(repoPath);
  const { definitions } = await loadFeatureRepository(repoPath);
  const functions = new Map(
    definitions.onDemandFeatureViews.flatMap(({ name, compute }) =>
      compute === undefined ? [] : [[name, compute] as const],
    ),
  );
  process.on('uncaughtException', (error) => {
    const stray: FunctionReport = { kind: 'stray', place: errorPlace(error, root) };
    port.postMessage(stray);
  });
  port.on('message', (call: FunctionCall) => {
    try {
      const compute = functions.get(call.viewName)!;
      const result = runFunction(call, { compute, repoPath: root, onError });
      const { bytes, ends } = result.values;
      const report: FunctionReport = { kind: 'done', result };
      port.postMessage(report, [bytes.buffer, ends.buffer]);
    } catch (error) {
      // Whatever it is, somebody waits for an answer.
      const known = isSideboardError(error)
        ? error
        : transformationFailed(call.viewName, 'its function gives what cannot be read');
      port.postMessage(failed(known));
    }
  });
  const ready: FunctionReport = { kind: 'ready', hashes: definitions.functionHashes };
  port.postMessage(ready);
} catch (error) {
  port.postMessage(failed(error));
}
