import type { TracingConfig } from '../config/config.ts';
import type { RequestTracing } from '../call/request-trace.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';

/** What tracing needs of the server. */
export interface TracingOptions {
  readonly metrics: Metrics;
  readonly logger: Logger;
  /** Full paths of the methods that may be traced. */
  readonly methodPaths: readonly string[];
  /** Paths of the JSON routes that may be. */
  readonly routePaths: readonly string[];
  /** Kind of the online store. */
  readonly storeKind: string;
}

/** Traces of one server. */
export interface Tracing {
  readonly requests: RequestTracing;
  /** Sends what waits, for some seconds at most. Never rejects. */
  close(): Promise<void>;
}

/** Traces where they are configured; the libraries for them are loaded only then. */
export async function openTracing(
  config: TracingConfig | undefined,
  options: TracingOptions,
): Promise<Tracing | undefined> {
  if (config === undefined) return undefined;
  const { openOtlpTracing } = await import('./otlp-tracing.ts');
  return await openOtlpTracing(config, options);
}
