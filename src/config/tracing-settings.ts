import { choice, type Setting } from './setting.ts';

/** By OpenTelemetry's names. */
export const OTLP_PROTOCOLS = ['grpc', 'http/protobuf', 'http/json'] as const;

/** Where traces go, and of which requests. What is not set here is taken from OpenTelemetry's own variables. */
export const TRACING_SETTINGS = [
  {
    name: 'otlp_endpoint',
    kind: { type: 'text' },
    default: undefined,
    doc: 'Receiver that takes traces over OTLP: a base URL (`http://collector:4318`, to which `/v1/traces` is added), for `grpc` `http://` or `https://` with host and port (`http://collector:4317`) or `unix:` with a path. Without it `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` or `OTEL_EXPORTER_OTLP_ENDPOINT` is taken; with none of them nothing is traced.',
  },
  {
    name: 'otlp_protocol',
    kind: choice(...OTLP_PROTOCOLS),
    default: undefined,
    doc: 'How that receiver is spoken to: `grpc`, `http/protobuf` or `http/json`. Without it `OTEL_EXPORTER_OTLP_TRACES_PROTOCOL` or `OTEL_EXPORTER_OTLP_PROTOCOL` is taken, without them `http/protobuf`.',
  },
  {
    name: 'otlp_headers',
    kind: { type: 'secret' },
    default: undefined,
    doc: 'Headers for that receiver, for `grpc` metadata, `name=value` separated by commas, values percent-encoded; `OTEL_EXPORTER_OTLP_HEADERS` without it. Prefer the variable: a flag shows in the process list.',
  },
  {
    name: 'trace_ratio',
    kind: { type: 'ratio' },
    default: undefined,
    doc: 'Share of requests that are traced where their caller has not decided (`traceparent`): 0 to 1. Without it `OTEL_TRACES_SAMPLER` and its `_ARG` are taken, without them 0.01.',
  },
] as const satisfies readonly Setting[];
