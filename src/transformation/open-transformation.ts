import type { TransformOnDemand } from '../retrieval/on-demand-plan.ts';

/** Feast's transformation server, over one connection that is kept. */
export interface TransformationClient {
  /** One call per on-demand view and request, within the caller's deadline. */
  readonly transform: TransformOnDemand;
  close(): void;
}

/**
 * Makes the client of a transformation server, if there is one. It is connected with the first call. Arrow and the gRPC
 * client are loaded then alone.
 *
 * @param endpoint `host:port`.
 */
export async function openTransformation(
  endpoint: string | undefined,
  maxResponseBytes: number,
): Promise<TransformationClient | undefined> {
  if (endpoint === undefined) return undefined;
  const { createTransformationClient } = await import('./transformation-client.ts');
  return createTransformationClient(endpoint, maxResponseBytes);
}
