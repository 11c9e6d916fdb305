import type { TransformOnDemand } from '../retrieval/on-demand-plan.ts';
import type { FunctionLimits } from './function-thread.ts';
import type { ThreadOrder } from './function-worker.ts';

/** What runs the functions of on-demand views. */
export interface TransformationClient {
  /** One call per on-demand view and request, within the caller's deadline. */
  readonly transform: TransformOnDemand;
  close(): Promise<void>;
}

/** Where functions are run. */
export interface TransformationOptions {
  /** `host:port` of Feast's transformation server; `undefined` = there is none. */
  readonly endpoint: string | undefined;
  readonly maxResponseBytes: number;
  /** How functions in TypeScript are. */
  readonly functions: ThreadOrder & FunctionLimits;
}

/**
 * Makes what runs functions: those in TypeScript on a thread, the others at Feast's transformation server. Either is loaded
 * and begun with the first call, so that a server without on-demand views pays for neither.
 */
export function openTransformation(options: TransformationOptions): TransformationClient {
  const { endpoint, maxResponseBytes, functions } = options;
  let remote: Promise<TransformationClient> | undefined;
  let local: Promise<TransformationClient> | undefined;
  return {
    async transform(call, limits) {
      const client =
        call.functionHash === undefined
          ? (remote ??= connect(endpoint!, maxResponseBytes))
          : (local ??= startFunctions(functions));
      return await (await client).transform(call, limits);
    },
    async close(): Promise<void> {
      await (await remote)?.close();
      await (await local)?.close();
    },
  };
}

async function connect(endpoint: string, maxResponseBytes: number): Promise<TransformationClient> {
  const { createTransformationClient } = await import('./transformation-client.ts');
  return createTransformationClient(endpoint, maxResponseBytes);
}

async function startFunctions(functions: TransformationOptions['functions']) {
  const { createFunctionRunner } = await import('./function-runner.ts');
  return createFunctionRunner(
    { repoPath: functions.repoPath, onError: functions.onError },
    functions,
  );
}
