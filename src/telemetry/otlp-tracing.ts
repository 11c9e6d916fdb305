import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, TracerProvider, type SpanExporter } from '@opentelemetry/sdk-trace';
import type { TracingConfig } from '../config/config.ts';
import { setTimeout as delay } from 'node:timers/promises';
import type { Tracing, TracingOptions } from './open-tracing.ts';
import { openOtlpExporter } from './otlp-exporter.ts';
import { createCallerContext } from './caller-context.ts';
import { createRequestSampler } from './request-sampler.ts';
import { createRequestSpans } from './request-spans.ts';
import { VERSION } from '../version.ts';

/** Spans that wait to be sent; requests beyond them leave none. */
const MAX_QUEUED_SPANS = 4096;
const MAX_BATCH_SPANS = 512;
/** All that wait, and the one before them. */
const CONCURRENT_BATCHES = 1 + MAX_QUEUED_SPANS / MAX_BATCH_SPANS;
const BATCH_DELAY_MS = 1_000;
/** What a receiver leaves out of its batches is told at most once in this time. */
const QUIET_MS = 60_000;
/** Of what a receiver says, in the log. */
const MAX_REASON_LENGTH = 300;
/** Of the names in span-attributes.ts. */
const SCHEMA_URL = 'https://opentelemetry.io/schemas/1.45.0';
/** For what is still to be sent when the server stops. */
const CLOSE_TIMEOUT_MS = 3_000;

/** Traces to an OTLP receiver, by OpenTelemetry's own SDK. A receiver that is away costs spans and nothing else. */
export async function openOtlpTracing(
  config: TracingConfig,
  options: TracingOptions,
): Promise<Tracing> {
  const { metrics, methodPaths, routePaths, storeKind } = options;
  let queuedCount = 0;
  const watch = watchExports(options, (count) => {
    queuedCount -= count;
  });
  const { spans, release } = await openOtlpExporter(config, {
    concurrencyLimit: CONCURRENT_BATCHES,
    onRejected: watch.onRejected,
  });
  const provider = new TracerProvider({
    // The default says which SDK it is.
    resource: defaultResource().merge(
      resourceFromAttributes({
        'service.name': 'sideboard',
        'service.version': VERSION,
        'process.pid': process.pid,
        ...config.resource,
      }),
    ),
    sampler: createRequestSampler(config),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: watch.over(spans),
        maxQueueSize: MAX_QUEUED_SPANS,
        maxExportBatchSize: MAX_BATCH_SPANS,
        scheduledDelayMillis: BATCH_DELAY_MS,
        exportTimeoutMillis: config.timeoutMs,
      }),
    ],
  });
  const requests = createRequestSpans({
    tracer: provider.getTracer('sideboard', VERSION, { schemaUrl: SCHEMA_URL }),
    callerOf: createCallerContext(config.propagators),
    methods: new Set(methodPaths),
    routes: new Set(routePaths),
    storeSystem: storeKind === 'sqlite' ? 'sqlite' : 'redis',
    reserve(spanCount) {
      const fits = queuedCount + spanCount <= MAX_QUEUED_SPANS;
      if (fits) queuedCount += spanCount;
      else metrics.observeTraceSpans('dropped', spanCount);
      return fits;
    },
  });
  return {
    requests,
    async close() {
      const closing = provider.shutdown().catch(() => {});
      await Promise.race([closing, delay(CLOSE_TIMEOUT_MS, undefined, { ref: false })]);
      release();
    },
  };
}

interface ExportWatch {
  /** The same exporter, watched. */
  over(exporter: SpanExporter): SpanExporter;
  onRejected(spanCount: number, reason: string): void;
}

/**
 * Counts what is sent, and says once that it is not taken, and once that it is again; now and then, that a part is not.
 *
 * @param onTaken a batch is on its way
 */
function watchExports(
  { metrics, logger }: TracingOptions,
  onTaken: (spanCount: number) => void,
): ExportWatch {
  let isFailing = false;
  let rejectedCount = 0;
  let quietUntilMs = -Infinity;
  return {
    onRejected(spanCount, reason) {
      rejectedCount = spanCount;
      const nowMs = performance.now();
      if (nowMs < quietUntilMs) return;
      quietUntilMs = nowMs + QUIET_MS;
      logger.warn(
        { rejectedCount: spanCount, reason: reason.slice(0, MAX_REASON_LENGTH) },
        'the receiver of traces leaves out spans',
      );
    },
    over: (exporter) => ({
      export(spans, done) {
        onTaken(spans.length);
        exporter.export(spans, (result) => {
          const failedCount = result.error === undefined ? rejectedCount : spans.length;
          rejectedCount = 0;
          if (failedCount < spans.length) {
            metrics.observeTraceSpans('sent', spans.length - failedCount);
          }
          if (failedCount > 0) metrics.observeTraceSpans('failed', failedCount);
          if (result.error !== undefined && !isFailing) {
            logger.warn(
              { reason: result.error.message },
              'traces cannot be sent; they are dropped',
            );
          } else if (result.error === undefined && isFailing) {
            logger.info('traces are sent again');
          }
          isFailing = result.error !== undefined;
          done(result);
        });
      },
      shutdown: () => exporter.shutdown(),
      forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
    }),
  };
}
