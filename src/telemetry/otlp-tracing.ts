import { readFileSync } from 'node:fs';
import {
  createOtlpNetworkExportDelegate,
  ExporterMetrics,
  OTLPExporterBase,
} from '@opentelemetry/otlp-exporter-base';
import {
  createOtlpHttpExportDelegate,
  httpAgentFactoryFromOptions,
} from '@opentelemetry/otlp-exporter-base/node-http';
import {
  JsonTraceSerializer,
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

/** Traces to an OTLP receiver, by OpenTelemetry's own SDK. A receiver that is away costs spans and nothing else. */
export async function openOtlpTracing(
  config: TracingConfig,
  options: TracingOptions,
): Promise<Tracing> {
  const { metrics, methodPaths, routePaths, storeKind } = options;
  let queuedCount = 0;
  const { spans, release } =
    config.protocol === 'grpc' ? await openGrpcExporter(config) : openHttpExporter(config);
  const exporter = watchExports(spans, options, (count) => {
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
      release();
    },
  };
}

interface Exporter {
  readonly spans: OTLPExporterBase<ReadableSpan[]>;
  /** Lets go of the receiver, whatever is still on its way to it. */
  release(): void;
}

/** Batches that may be on their way at once: all that wait, and the one before them. */
const CONCURRENT_BATCHES = 1 + MAX_QUEUED_SPANS / MAX_BATCH_SPANS;

/**
 * What `OTLPTraceExporter` of `@opentelemetry/exporter-trace-otlp-proto`, and of `-http`, is, but for the environment: that one adds
 * the headers which it finds there to ours, those that are meant for another receiver among them.
 */
function openHttpExporter(config: TracingConfig): Exporter {
  const { protocol, url, timeoutMs, compression, tls } = config;
  const [serializer, contentType] =
    protocol === 'http/json'
      ? [JsonTraceSerializer, 'application/json']
      : [ProtobufTraceSerializer, 'application/x-protobuf'];
  const headers = { ...config.headers, 'Content-Type': contentType };
  const contentOf = (path: string | undefined): Buffer | undefined =>
    path === undefined ? undefined : readFileSync(path);
  const options = {
    url,
    headers: () => Promise.resolve(headers),
    timeoutMillis: timeoutMs,
    concurrencyLimit: CONCURRENT_BATCHES,
    compression,
    agentFactory: httpAgentFactoryFromOptions({
      keepAlive: true,
      ca: contentOf(tls.caFile),
      cert: contentOf(tls.certFile),
      key: contentOf(tls.keyFile),
    }),
  };
  const spans = new OTLPExporterBase(
    createOtlpHttpExportDelegate(
      options,
      serializer,
      'otlp_http_span_exporter',
      TraceExporterMetricsHelper,
      undefined,
    ),
  );
  return { spans, release: () => {} };
}

/** The same over gRPC; grpc-js is loaded only for it. */
async function openGrpcExporter(config: TracingConfig): Promise<Exporter> {
  const { OtlpGrpcTransport } = await import('./otlp-grpc-transport.ts');
  const { url, timeoutMs, compression } = config;
  const transport = new OtlpGrpcTransport(config);
  const metrics = new ExporterMetrics({
    componentType: 'otlp_grpc_span_exporter',
    metricsHelper: TraceExporterMetricsHelper,
    url,
    meterProvider: undefined,
    responseAttributesFromError: () => ({}),
  });
  const options = {
    timeoutMillis: timeoutMs,
    concurrencyLimit: CONCURRENT_BATCHES,
    compression,
  };
  const spans = new OTLPExporterBase(
    createOtlpNetworkExportDelegate(options, ProtobufTraceSerializer, metrics, transport),
  );
  return { spans, release: () => transport.shutdown() };
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
