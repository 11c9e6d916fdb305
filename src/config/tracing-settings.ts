import type { Setting } from './setting.ts';

/** Where traces go, and of which requests. What is not set here is taken from OpenTelemetry's own variables. */
export const TRACING_SETTINGS = [
  {
    name: 'otlp_endpoint',
    kind: { type: 'text' },
    default: undefined,
    doc: 'Base URL of an OTLP/HTTP receiver that takes traces (`http://collector:4318`, to which `/v1/traces` is added). Without it `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` or `OTEL_EXPORTER_OTLP_ENDPOINT` is taken; with none of them nothing is traced.',
  },
  {
    name: 'otlp_headers',
    kind: { type: 'secret' },
    default: undefined,
    doc: 'Headers for that receiver, `name=value` separated by commas, values percent-encoded; `OTEL_EXPORTER_OTLP_HEADERS` without it. Prefer the variable: a flag shows in the process list.',
  },
  {
    name: 'trace_ratio',
    kind: { type: 'ratio' },
    default: undefined,
    doc: 'Share of requests that are traced where their caller has not decided (`traceparent`): 0 to 1. Without it `OTEL_TRACES_SAMPLER` and its `_ARG` are taken, without them 0.01.',
  },
] as const satisfies readonly Setting[];
