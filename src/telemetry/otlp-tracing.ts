import { readFileSync } from 'node:fs';
import { OTLPExporterBase } from '@opentelemetry/otlp-exporter-base';
import {
  createOtlpHttpExportDelegate,
  httpAgentFactoryFromOptions,
} from '@opentelemetry/otlp-exporter-base/node-http';
import {
  ProtobufTraceSerializer,
  TraceExporterMetricsHelper,
} from '@opentelemetry/otlp-transformer';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
  type ReadableSpan,
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
  const exporter = watchExports(openExporter(config), options, (count) => {
    queuedCount -= count;
  });
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

/**
 * What `OTLPTraceExporter` of `@opentelemetry/exporter-trace-otlp-proto` is, but for the environment: that one adds the headers
 * which it finds there to ours, those that are meant for another receiver among them.
 */
function openExporter(config: TracingConfig): OTLPExporterBase<ReadableSpan[]> {
  const { url, timeoutMs, compression, tls } = config;
  const headers = { ...config.headers, 'Content-Type': 'application/x-protobuf' };
  const contentOf = (path: string | undefined): Buffer | undefined =>
    path === undefined ? undefined : readFileSync(path);
  const options = {
    url,
    headers: () => Promise.resolve(headers),
    timeoutMillis: timeoutMs,
    concurrencyLimit: 1 + MAX_QUEUED_SPANS / MAX_BATCH_SPANS,
    compression,
    agentFactory: httpAgentFactoryFromOptions({
      keepAlive: true,
      ca: contentOf(tls.caFile),
      cert: contentOf(tls.certFile),
      key: contentOf(tls.keyFile),
    }),
  };
  return new OTLPExporterBase(
    createOtlpHttpExportDelegate(
      options,
      ProtobufTraceSerializer,
      'otlp_http_span_exporter',
      TraceExporterMetricsHelper,
      undefined,
    ),
  );
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
  exporter: OTLPExporterBase<ReadableSpan[]>,
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
