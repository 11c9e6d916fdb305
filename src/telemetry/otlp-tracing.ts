import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
  type SpanExporter,
} from '@opentelemetry/sdk-trace';
import type { TracingConfig } from '../config/config.ts';
import { setTimeout as delay } from 'node:timers/promises';
import type { Tracing, TracingOptions } from './open-tracing.ts';
import { createRequestSpans } from './request-spans.ts';
import { VERSION } from '../version.ts';

/** Spans that wait to be sent; requests beyond them leave none. */
const MAX_QUEUED_SPANS = 4096;
const MAX_BATCH_SPANS = 512;
const BATCH_DELAY_MS = 1_000;
/** For what is still to be sent when the server stops. */
const CLOSE_TIMEOUT_MS = 3_000;

/** Traces to an OTLP/HTTP receiver, by OpenTelemetry's own SDK. A receiver that is away costs spans and nothing else. */
export function openOtlpTracing(config: TracingConfig, options: TracingOptions): Tracing {
  const { metrics, methodPaths, routePaths, storeKind } = options;
  let queuedCount = 0;
  const exporter = watchExports(
    new OTLPTraceExporter({
      url: config.url,
      headers: { ...config.headers },
      timeoutMillis: config.timeoutMs,
      concurrencyLimit: 1 + MAX_QUEUED_SPANS / MAX_BATCH_SPANS,
    }),
    options,
    (count) => {
      queuedCount -= count;
    },
  );
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      'service.name': 'sideboard',
      'service.version': VERSION,
      'process.pid': process.pid,
      ...config.resource,
    }),
    sampler: samplerOf(config),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter,
        maxQueueSize: MAX_QUEUED_SPANS,
        maxExportBatchSize: MAX_BATCH_SPANS,
        scheduledDelayMillis: BATCH_DELAY_MS,
        exportTimeoutMillis: config.timeoutMs,
      }),
    ],
  });
  const requests = createRequestSpans({
    tracer: provider.getTracer('sideboard', VERSION),
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
    },
  };
}

/** The caller decides where it says so; of the other requests a share is traced. */
function samplerOf({ ratio, followsCaller }: TracingConfig): ParentBasedSampler {
  const root = new TraceIdRatioBasedSampler(ratio);
  if (followsCaller) return new ParentBasedSampler({ root });
  return new ParentBasedSampler({
    root,
    remoteParentSampled: root,
    remoteParentNotSampled: root,
    localParentSampled: new AlwaysOnSampler(),
  });
}

/** Counts what is sent, and says once that it is not taken, and once that it is again. */
function watchExports(
  exporter: OTLPTraceExporter,
  { metrics, logger }: TracingOptions,
  onTaken: (count: number) => void,
): SpanExporter {
  let isFailing = false;
  return {
    export(spans, done) {
      onTaken(spans.length);
      exporter.export(spans, (result) => {
        metrics.observeTraceSpans(result.error === undefined ? 'sent' : 'failed', spans.length);
        if (result.error !== undefined && !isFailing) {
          logger.warn({ reason: result.error.message }, 'traces cannot be sent; they are dropped');
        } else if (result.error === undefined && isFailing) {
          logger.info('traces are sent again');
        }
        isFailing = result.error !== undefined;
        done(result);
      });
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: () => exporter.forceFlush(),
  };
}
