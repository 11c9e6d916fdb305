import type { Config } from './config/config.ts';
import { openTransformation } from './transformation/open-transformation.ts';
import type { TransformationClient } from './transformation/open-transformation.ts';

/** What a function in TypeScript may take for 2,048 rows, where `function_timeout_ms` is less: nobody waits online. */
const FUNCTION_TIMEOUT_MS = 60_000;

/** Makes what runs the functions of on-demand views for training sets and materializations. */
export function openBatchTransformation({
  transformationEndpoint,
  limits,
  functions,
}: Config): TransformationClient {
  return openTransformation({
    endpoint: transformationEndpoint,
    maxResponseBytes: limits.maxResponseBytes,
    functions: {
      ...functions,
      timeoutMs: Math.max(functions.timeoutMs, FUNCTION_TIMEOUT_MS),
      onStray: () => undefined,
    },
  });
}
