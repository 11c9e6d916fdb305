import { loadProblem } from './function-problem.ts';
import { startFunctionThread, type FunctionLimits } from './function-thread.ts';
import type { ThreadOrder } from './function-worker.ts';

/** On-demand view → hash of its function, or why the repository cannot be loaded. */
export type FoundFunctions =
  | { readonly hashes: ReadonlyMap<string, string> }
  | { readonly problem: string };

/** Looks which functions a feature repository has, as a server would load them; none is run. */
export async function findFunctions(
  order: ThreadOrder & Omit<FunctionLimits, 'onStray'>,
): Promise<FoundFunctions> {
  const { repoPath, onError } = order;
  try {
    const thread = await startFunctionThread(
      { repoPath, onError },
      { ...order, onStray: () => undefined },
    );
    await thread.close();
    return { hashes: thread.hashes };
  } catch (error) {
    return { problem: loadProblem(error as Error, repoPath) };
  }
}
