import { TracerProvider } from '@opentelemetry/sdk-trace';
import { test } from 'vitest';
import type { TracingConfig } from '../../src/config/config.ts';
import type { RequestTrace, RequestTracing } from '../../src/call/request-trace.ts';
import { startTiming, type RequestTiming } from '../../src/call/request-timing.ts';
import { createCallerContext } from '../../src/telemetry/caller-context.ts';
import { createCallObserver } from '../../src/telemetry/call-observer.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { openTracing } from '../../src/telemetry/open-tracing.ts';
import { createRequestSpans } from '../../src/telemetry/request-spans.ts';

const METHOD = '/feast.serving.ServingService/GetOnlineFeatures';
const OK = { code: 0, message: '' } as const;
const NEVER = new AbortController().signal;
/** Nothing is sent there: of these requests none is recorded. */
const CONFIG: TracingConfig = {
  protocol: 'http/protobuf',
  url: 'http://127.0.0.1:9/v1/traces',
  headers: {},
  timeoutMs: 100,
  ratio: 0,
  followsCaller: true,
  propagators: ['tracecontext'],
  compression: 'none',
  tls: { caFile: undefined, certFile: undefined, keyFile: undefined },
  resource: {},
};

const metrics = createMetrics();
const logger = createLogger('silent');

const callOf = () => ({
  path: METHOD,
  startedAtMs: performance.now(),
  deadlineAtMs: Infinity,
  signal: NEVER,
  caller: undefined,
  rowCount: 1,
  featureCount: 50,
  lostCount: 0,
  authority: '127.0.0.1',
  peer: '127.0.0.1:1',
  timing: undefined as RequestTiming | undefined,
  trace: undefined as RequestTrace | undefined,
  metadata: () => undefined,
});

/** What a request does about tracing where there is none: it makes nothing. */
function untraced(): () => void {
  const tracing: RequestTracing | undefined = undefined as RequestTracing | undefined;
  const call = callOf();
  return () => {
    if (tracing !== undefined) call.trace = tracing.begin(call);
    const timing = startTiming(call);
    timing?.planned();
    timing?.stored();
    timing?.assembled(1_306);
  };
}

/** All that is done for a request's metrics and trace. */
function watched(tracing: RequestTracing | undefined): () => void {
  const observer = createCallObserver(metrics, logger, {
    knownPaths: new Set([METHOD]),
    counts: { answeredCount: 0, failedCount: 0 },
    tracing,
  });
  return () => {
    const call = callOf();
    if (observer.tracing !== undefined) call.trace = observer.tracing.begin(call);
    const timing = startTiming(call);
    timing?.planned();
    timing?.stored();
    timing?.assembled(1_306);
    observer.onCallEnd(call, OK, 1);
  };
}

test('a request', async ({ bench }) => {
  const unrecorded = await openTracing(CONFIG, {
    metrics,
    logger,
    methodPaths: [METHOD],
    routePaths: [],
    storeKind: 'redis',
  });
  // Spans that go nowhere: sending them is work of another turn, by the batch.
  const recorded = createRequestSpans({
    tracer: new TracerProvider().getTracer('bench'),
    callerOf: createCallerContext(['tracecontext']),
    methods: new Set([METHOD]),
    routes: new Set(),
    storeSystem: 'redis',
    reserve: () => true,
  });
  await bench.compare(
    bench('tracing that is off, alone', untraced()),
    bench('nothing is traced', watched(undefined)),
    bench('not recorded', watched(unrecorded!.requests)),
    bench('recorded', watched(recorded)),
  );
  await unrecorded!.close();
});
