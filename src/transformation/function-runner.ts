import type { OnDemandCall } from '../retrieval/on-demand-plan.ts';
import { packColumns, slabValue } from './column-slab.ts';
import {
  startFunctionThread,
  ThreadLost,
  type FunctionLimits,
  type FunctionThread,
} from './function-thread.ts';
import type { ThreadOrder } from './function-worker.ts';
import type { TransformationClient } from './open-transformation.ts';
import { functionProblem, loadProblem } from './function-problem.ts';
import { functionUnavailable } from './transformation-errors.ts';
import { untilDeadline } from './until-deadline.ts';

/** How long after the files were loaded they are looked at again for a function that they did not have. */
const RELOAD_MS = 2000;

/** A thread that is being started, or was. */
interface StartedThread {
  readonly thread: Promise<FunctionThread>;
  /** When it had loaded the files, or failed to; `Infinity` = it has not yet. */
  settledAtMs: number;
}

/** How often a call is made again that was lost behind others. */
const MAX_ATTEMPTS = 5;

/**
 * Runs the functions of on-demand views that a feature repository has in TypeScript, on a thread that is started with the
 * first call. A function that is not the one that was applied is not run: the files are loaded again, since they may have
 * been brought up to date, and then the call is refused.
 */
export function createFunctionRunner(
  order: ThreadOrder,
  limits: FunctionLimits,
): TransformationClient {
  let current: StartedThread | undefined;
  let closed = false;

  function start(): StartedThread {
    const started: StartedThread = {
      thread: startFunctionThread(order, limits).finally(() => {
        started.settledAtMs = performance.now();
      }),
      settledAtMs: Infinity,
    };
    return started;
  }

  /** A thread whose function is the one that was applied. */
  async function threadFor({ viewName, functionHash }: OnDemandCall): Promise<FunctionThread> {
    for (;;) {
      if (closed) throw functionUnavailable(viewName, 'the server is stopping');
      const started = (current ??= start());
      const mayReload = performance.now() - started.settledAtMs > RELOAD_MS;
      const outcome = await started.thread.catch(asError);
      if (outcome instanceof Error) {
        if (!mayReload) throw functionUnavailable(viewName, loadProblem(outcome, order.repoPath));
      } else if (outcome.isAlive()) {
        const wanted = { viewName, functionHash, repoPath: order.repoPath };
        const problem = functionProblem(outcome.hashes, wanted);
        if (problem === undefined) return outcome;
        if (!mayReload) throw functionUnavailable(viewName, problem);
        outcome.retire();
      }
      if (current === started) current = undefined;
    }
  }

  async function run(
    call: OnDemandCall,
    isWanted: () => boolean,
  ): Promise<readonly (readonly (Uint8Array | undefined)[])[]> {
    const { viewName, rowCount, firstRow, inputs, outputs } = call;
    for (let attempt = 1; ; attempt++) {
      const thread = await threadFor(call);
      const values = packColumns(inputs.length, rowCount, (column, row) =>
        inputs[column]!.valueAt(row),
      );
      try {
        const fields = inputs.map(({ name, shortName, valueType }) => {
          return { name, shortName, valueType };
        });
        const functionCall = { viewName, rowCount, firstRow, inputs: fields, values, outputs };
        const result = await thread.run(functionCall, isWanted);
        const failed = new Set(result.failedRows);
        return outputs.map((_, column) =>
          Array.from({ length: rowCount }, (_row, row) =>
            failed.has(row) ? undefined : slabValue(result.values, column * rowCount + row),
          ),
        );
      } catch (error) {
        if (!(error instanceof ThreadLost)) throw error;
        if (attempt === MAX_ATTEMPTS || closed) {
          throw functionUnavailable(viewName, 'the thread of the functions ended again and again');
        }
      }
    }
  }

  return {
    async transform(call, options) {
      let isWanted = true;
      try {
        return await untilDeadline(
          run(call, () => isWanted),
          options,
        );
      } finally {
        isWanted = false;
      }
    },
    async close(): Promise<void> {
      closed = true;
      const outcome = await current?.thread.catch(asError);
      if (outcome !== undefined && !(outcome instanceof Error)) await outcome.close();
    },
  };
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
