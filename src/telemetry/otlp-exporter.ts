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
  type IExportTraceServiceResponse,
  type ISerializer,
} from '@opentelemetry/otlp-transformer';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import type { TracingConfig } from '../config/config.ts';

type TraceSerializer = ISerializer<ReadableSpan[], IExportTraceServiceResponse>;

/** How batches are sent. */
export interface ExporterOptions {
  /** Batches that may be on their way at once. */
  readonly concurrencyLimit: number;
  /** A batch was taken but for some of its spans; called right before it is told that it was taken. */
  readonly onRejected: (spanCount: number, reason: string) => void;
}

/** Sends batches of spans to one receiver. */
export interface OtlpExporter {
  readonly spans: OTLPExporterBase<ReadableSpan[]>;
  /** Lets go of the receiver, whatever is still on its way to it. */
  release(): void;
}

/** Opens the exporter for the protocol of a configuration; what only gRPC needs is loaded only for it. */
export async function openOtlpExporter(
  config: TracingConfig,
  options: ExporterOptions,
): Promise<OtlpExporter> {
  return config.protocol === 'grpc'
    ? await openGrpcExporter(config, options)
    : openHttpExporter(config, options);
}

/**
 * What `OTLPTraceExporter` of `@opentelemetry/exporter-trace-otlp-proto`, and of `-http`, is, but for the environment: that one adds
 * the headers which it finds there to ours, those that are meant for another receiver among them.
 */
function openHttpExporter(config: TracingConfig, own: ExporterOptions): OtlpExporter {
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
    concurrencyLimit: own.concurrencyLimit,
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
      telling(serializer, own),
      'otlp_http_span_exporter',
      TraceExporterMetricsHelper,
      undefined,
    ),
  );
  return { spans, release: () => {} };
}

/** The same over gRPC. */
async function openGrpcExporter(
  config: TracingConfig,
  own: ExporterOptions,
): Promise<OtlpExporter> {
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
    concurrencyLimit: own.concurrencyLimit,
    compression,
  };
  const spans = new OTLPExporterBase(
    createOtlpNetworkExportDelegate(
      options,
      telling(ProtobufTraceSerializer, own),
      metrics,
      transport,
    ),
  );
  return { spans, release: () => transport.shutdown() };
}

/** The same, but that it says what a receiver left out (https://opentelemetry.io/docs/specs/otlp/#partial-success). */
function telling(serializer: TraceSerializer, { onRejected }: ExporterOptions): TraceSerializer {
  return {
    serializeRequest: (spans) => serializer.serializeRequest(spans),
    deserializeResponse(bytes) {
      const response = serializer.deserializeResponse(bytes);
      const { rejectedSpans = 0, errorMessage = '' } = response.partialSuccess ?? {};
      // In JSON a number of 64 bits is text.
      const spanCount = Number.parseInt(String(rejectedSpans), 10);
      if (spanCount > 0) onRejected(spanCount, errorMessage);
      return response;
    },
  };
}
