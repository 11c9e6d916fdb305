import { STATUS_LABELS } from './answer-counter.ts';
import { Counter, Gauge, Registry } from 'prom-client';
import type { RegistrySnapshot } from '../registry/registry-model.ts';
import { addFreshnessGauge, addProcessGauges } from './feast-gauges.ts';
import { addProcessMetrics } from './process-metrics.ts';
import { addTransportMetrics, type TransportCounts } from './transport-metrics.ts';
import { createTallyCounter, type Tally } from './tally-counter.ts';
import { TallyHistogram, type HistogramTally } from './tally-histogram.ts';

/** Seconds; from a tenth of a millisecond: most reads of a feature server take less than one. */
export const LATENCY_BUCKETS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25,
  0.5, 1, 2.5, 5, 10,
];

/** What can be read off the running server when metrics are collected. */
export interface ServerGauges {
  inFlightCount(): number;
  /** How reads are let in. */
  readonly admission: {
    readonly limit: number;
    readonly waitingCount: number;
    readonly refusedCount: { readonly limit: number; readonly deadline: number };
  };
  connectionCount(): number;
  registryAgeMs(): number;
  registrySnapshot(): RegistrySnapshot;
}

/**
 * Every metric of the server, defined once. Names that Feast's Python server has are kept; the rest begins with
 * `feature_server_`. Label values come from closed sets: methods, codes, statuses, store kinds, the registry's feature views.
 */
export interface Metrics {
  readonly registry: Registry;
  /** One finished request, over whatever protocol. `endpoint` is a method path or route, `code` a gRPC code name. */
  observeRequest(endpoint: string, code: string, ok: boolean, durationMs: number): void;
  /** A feature read that is answered, and its entity rows. */
  observeOnlineFeatures(rowCount: number): void;
  /** Values that an answer misses because they could not be read. */
  observeLostValues(count: number): void;
  /** Values of an answer that are of one view. @param counts one per `STATUS_LABELS`; read at once */
  observeStatuses(viewName: string, counts: Uint32Array): void;
  /** @param kind of the store whose reads are to be observed */
  watchStore(kind: string): StoreObserver;
  observeTraceSpans(result: 'sent' | 'failed' | 'dropped', count: number): void;
  observeRegistryReload(result: 'changed' | 'failed'): void;
  /** @param reason a `HandshakeFailureReason` */
  observeHandshakeFailure(reason: string): void;
  watch(gauges: ServerGauges): void;
  watchTransport(counts: TransportCounts): void;
  /** @param expiresAtMs reads when the certificate in use expires, milliseconds since the epoch */
  watchCertificate(expiresAtMs: () => number): void;
}

/** Told about every read of a store. */
export type StoreObserver = (keyCount: number, durationMs: number, isFailed: boolean) => void;

interface RequestSeries {
  readonly total: Tally;
  readonly latency: HistogramTally;
  readonly rpc: HistogramTally;
}

export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  addProcessMetrics(registry);

  const requestTotal = createTallyCounter({
    name: 'feast_feature_server_request_total',
    help: 'Requests by endpoint and status (success, error).',
    labelNames: ['endpoint', 'status'] as const,
    registers,
  });
  const requestLatency = new TallyHistogram({
    name: 'feast_feature_server_request_latency_seconds',
    help: 'Time from the head of a request to the end of its answer.',
    labelNames: ['endpoint'] as const,
    buckets: LATENCY_BUCKETS,
    registers,
  });
  const rpcDuration = new TallyHistogram({
    name: 'feature_server_rpc_duration_seconds',
    help: 'The same by method and code.',
    labelNames: ['method', 'code'] as const,
    buckets: LATENCY_BUCKETS,
    registers,
  });
  const onlineFeaturesTotal = createTallyCounter({
    name: 'feast_online_features_request_total',
    help: 'Online feature reads that were answered.',
    registers,
  });
  const entityCount = new TallyHistogram({
    name: 'feast_online_features_entity_count',
    help: 'Entity rows of an online feature read.',
    buckets: [1, 5, 10, 25, 50, 100, 250, 500, 1000],
    registers,
  });
  const lostValues = new Counter({
    name: 'feature_server_lost_values_total',
    help: 'Values marked INVALID in partial answers because they could not be read.',
    registers,
  });
  const statusTotal = createTallyCounter({
    name: 'feast_online_features_status_total',
    help: 'Values of online feature reads by feature view and status (present, null_value, not_found, outside_max_age, invalid).',
    labelNames: ['feature_view', 'status'] as const,
    registers,
  });
  const storeRead = new TallyHistogram({
    name: 'feast_feature_server_online_store_read_duration_seconds',
    help: 'Time of one read from the online store, all shards together.',
    buckets: LATENCY_BUCKETS,
    registers,
  });
  const storeReads = createTallyCounter({
    name: 'feature_server_online_read_total',
    help: 'Reads from the online store by its kind and result (ok, error).',
    labelNames: ['store', 'result'] as const,
    registers,
  });
  const storeKeys = createTallyCounter({
    name: 'feature_server_online_read_keys_total',
    help: 'Distinct entities read from the online store.',
    registers,
  });
  const reloads = new Counter({
    name: 'feature_server_registry_reload_total',
    help: 'Registry refreshes by result (changed, failed).',
    labelNames: ['result'] as const,
    registers,
  });
  const traceSpans = new Counter({
    name: 'feature_server_trace_spans_total',
    help: 'Spans of traced requests by what became of them: sent, failed (the receiver did not take them), dropped (too many waited).',
    labelNames: ['result'] as const,
    registers,
  });
  const handshakeFailures = new Counter({
    name: 'feature_server_tls_handshake_failures_total',
    help: 'Connections that came to nothing because of TLS, by reason.',
    labelNames: ['reason'] as const,
    registers,
  });

  // By endpoint and code: a text of both would be made, and hashed, for each request.
  const series = new Map<string, Map<string, RequestSeries>>();
  const seriesOf = (endpoint: string, code: string, ok: boolean): RequestSeries => {
    const byCode = series.get(endpoint) ?? new Map<string, RequestSeries>();
    let found = byCode.get(code);
    if (found === undefined) {
      found = {
        total: requestTotal(endpoint, ok ? 'success' : 'error'),
        latency: requestLatency.tallyOf(endpoint),
        rpc: rpcDuration.tallyOf(endpoint, code),
      };
      series.set(endpoint, byCode.set(code, found));
    }
    return found;
  };

  const statuses = new Map<string, readonly Tally[]>();
  const statusesOf = (viewName: string): readonly Tally[] => {
    let found = statuses.get(viewName);
    if (found === undefined) {
      found = STATUS_LABELS.map((status) => statusTotal(viewName, status));
      statuses.set(viewName, found);
    }
    return found;
  };
  const answered = onlineFeaturesTotal();
  const answeredRows = entityCount.tallyOf();
  const readDuration = storeRead.tallyOf();
  const readKeys = storeKeys();

  return {
    registry,
    observeRequest(endpoint, code, ok, durationMs): void {
      const { total, latency, rpc } = seriesOf(endpoint, code, ok);
      total.count += 1;
      latency.observe(durationMs / 1000);
      rpc.observe(durationMs / 1000);
    },
    observeOnlineFeatures(rowCount): void {
      answered.count += 1;
      answeredRows.observe(rowCount);
    },
    observeLostValues(count): void {
      lostValues.inc(count);
    },
    observeStatuses(viewName, counts): void {
      const ofView = statusesOf(viewName);
      for (let status = 0; status < counts.length; status++) {
        ofView[status]!.count += counts[status]!;
      }
    },
    watchStore(kind): StoreObserver {
      const ok = storeReads(kind, 'ok');
      const failed = storeReads(kind, 'error');
      return (keyCount, durationMs, isFailed) => {
        readDuration.observe(durationMs / 1000);
        readKeys.count += keyCount;
        (isFailed ? failed : ok).count += 1;
      };
    },
    observeTraceSpans(result, count): void {
      traceSpans.inc({ result }, count);
    },
    observeRegistryReload(result): void {
      reloads.inc({ result });
    },
    observeHandshakeFailure(reason): void {
      handshakeFailures.inc({ reason });
    },
    watch(gauges): void {
      watchGauges(gauges, registers);
    },
    watchTransport(counts): void {
      addTransportMetrics(registers, counts);
    },
    watchCertificate(expiresAtMs): void {
      addGauge(registers, {
        name: 'feature_server_tls_certificate_expiry_timestamp_seconds',
        help: 'When the certificate of the port expires, seconds since the epoch.',
        read: () => expiresAtMs() / 1000,
        combine: 'min',
      });
    },
  };
}

function watchGauges(gauges: ServerGauges, registers: Registry[]): void {
  const gauge = (name: string, help: string, read: () => number, combine?: Combine): void =>
    addGauge(registers, { name, help, read, combine });
  gauge(
    'feature_server_inflight_requests',
    'Requests of every protocol that are being answered.',
    gauges.inFlightCount,
  );
  gauge(
    'feature_server_admission_limit',
    'Reads that may be in work at once, as latency has it now.',
    () => gauges.admission.limit,
  );
  const waiting = (): number => gauges.admission.waitingCount;
  gauge('feature_server_admission_waiting', 'Reads that wait for their turn.', waiting);
  const refused: Counter<'reason'> = new Counter({
    name: 'feature_server_admission_refused_total',
    help: 'Reads that were refused: too many before them (limit), or too late for their deadline (deadline).',
    labelNames: ['reason'] as const,
    registers,
    collect: (): void => {
      const { limit, deadline } = gauges.admission.refusedCount;
      refused.reset();
      refused.inc({ reason: 'limit' }, limit);
      refused.inc({ reason: 'deadline' }, deadline);
    },
  });
  gauge('feature_server_http2_connections', 'Open HTTP/2 connections.', gauges.connectionCount);
  gauge(
    'feature_server_registry_age_seconds',
    'Time since the registry in use was last known to be the newest.',
    () => gauges.registryAgeMs() / 1000,
    'max',
  );
  gauge(
    'feature_server_registry_last_updated_seconds',
    'When the registry in use was written, seconds since the epoch.',
    () => gauges.registrySnapshot().lastUpdatedMs / 1000,
    'min',
  );
  const info: Gauge<'version'> = new Gauge({
    name: 'feature_server_registry_info',
    help: 'Always 1; its label is the version of the registry in use.',
    labelNames: ['version'] as const,
    registers,
    aggregator: 'max',
    collect: (): void => {
      info.reset();
      info.set({ version: gauges.registrySnapshot().versionId }, 1);
    },
  });
  addProcessGauges(registers);
  addFreshnessGauge(registers, gauges.registrySnapshot);
}

/** How the values of several workers become one. */
type Combine = 'sum' | 'min' | 'max';

/** A gauge that is read when metrics are collected. */
function addGauge(
  registers: Registry[],
  gauge: { name: string; help: string; read: () => number; combine?: Combine | undefined },
): void {
  const { name, help, read, combine = 'sum' } = gauge;
  const collect = (): void => made.set(read());
  const made: Gauge = new Gauge({ name, help, registers, aggregator: combine, collect });
}
