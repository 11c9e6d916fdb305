import type { AddressInfo } from 'node:net';
import { createAdmissionGate } from './admission/admission-gate.ts';
import type { Audit } from './auth/audit-record.ts';
import type { Access } from './auth/open-access.ts';
import type { AuthConfig } from './config/auth-config.ts';
import type { Config } from './config/config.ts';
import type { ConnectionRouter } from './port/connection-router.ts';
import { CONTRACT_FILES } from './contract-files.ts';
import { openFeatureEngine } from './feature-engine.ts';
import { createDispatcher } from './grpc/dispatch.ts';
import { createFeatureServices } from './grpc/feature-services.ts';
import { FRAME_HEADROOM, type GrpcService } from './grpc/grpc-service.ts';
import { createHealthService, createHealthState } from './grpc/health.ts';
import { createIngestService } from './grpc/ingest-service.ts';
import { createLoadReports } from './grpc/load-reports.ts';
import { createReflectionServices } from './grpc/reflection.ts';
import { statusOf } from './grpc/status.ts';
import { createEngine } from './http2/engine.ts';
import { createHttpHandler } from './http/http-handler.ts';
import { HTTP_ROUTE_PATHS } from './http/routes.ts';
import { createStreamListener } from './http/stream-exchange.ts';
import type { RegistryOrigin } from './registry/registry-origin.ts';
import { openSecurePort } from './port/secure-port.ts';
import { startAdminServer } from './telemetry/admin-server.ts';
import { createAuditLog } from './telemetry/audit-log.ts';
import { createCallObserver } from './telemetry/call-observer.ts';
import { createLoadMeter } from './telemetry/load-meter.ts';
import { createLogger, type Logger } from './telemetry/logger.ts';
import { createMetrics, type Metrics } from './telemetry/metrics.ts';
import { openTracing } from './telemetry/open-tracing.ts';
import { VERSION } from './version.ts';

/** What answers requests: a whole server but for its admin port. */
export interface RequestServer {
  /** Where every protocol is spoken; `undefined` = nowhere, connections are handed to `accept`. */
  readonly address: AddressInfo | undefined;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Whether requests are welcome: a registry is loaded and the server is not draining. */
  isServing(): boolean;
  /** Takes over a connection that another process accepted. */
  readonly accept: ConnectionRouter['accept'];
  /** Reads again, now, what is otherwise looked at from time to time: the certificate of the port. Never rejects. */
  reload(): Promise<void>;
  /**
   * Stops without losing a request that had arrived: health says NOT_SERVING, clients are told to go elsewhere, what is
   * under way is answered, within `drain_timeout_ms`.
   */
  close(): Promise<void>;
}

/** A server that runs. */
export interface RunningServer extends RequestServer {
  readonly address: AddressInfo;
  readonly adminAddress: AddressInfo;
}

/**
 * Composes and starts a server with its admin port.
 *
 * @throws SideboardError INVALID_CONFIGURATION, REGISTRY_UNAVAILABLE, ONLINE_STORE_UNAVAILABLE
 */
export async function startServer(
  config: Config,
  logger: Logger = createLogger(config.server.logLevel),
): Promise<RunningServer> {
  const server = await startRequestServer(config, logger, { doors: 'listen' });
  try {
    const admin = await startAdminServer({
      host: config.server.adminHost,
      port: config.server.adminPort,
      metrics: server.metrics.registry,
      isReady: () => server.isServing(),
    });
    return {
      ...server,
      address: server.address!,
      adminAddress: admin.address,
      // The admin port last, so that probes see the server drain.
      async close(): Promise<void> {
        try {
          await server.close();
        } finally {
          await admin.close();
        }
      },
    };
  } catch (error) {
    await server.close();
    throw error;
  }
}

/** What a server does itself, and what another process does for it. */
export interface ServerPart {
  /** Whether to listen, or to leave that to another process that hands connections over. */
  readonly doors: 'listen' | 'handed over';
  /** Where to read the registry, instead of the place that the configuration names. */
  readonly registryOrigin?: RegistryOrigin;
}

/**
 * Composes what answers requests; the only place where the parts meet. When a later part fails to start, those before it
 * are closed again.
 *
 * @throws SideboardError INVALID_CONFIGURATION, REGISTRY_UNAVAILABLE, ONLINE_STORE_UNAVAILABLE
 */
export async function startRequestServer(
  config: Config,
  logger: Logger,
  part: ServerPart,
): Promise<RequestServer> {
  const opened: (() => Promise<unknown>)[] = [];
  const closeAll = async (): Promise<void> => {
    for (const close of opened.reverse()) await close();
  };
  try {
    return await composeServer({ config, logger, ...part, opened, closeAll });
  } catch (error) {
    await closeAll();
    throw error;
  }
}

/** What a composition is given. */
interface Composition extends ServerPart {
  readonly config: Config;
  readonly logger: Logger;
  /** How to close what was opened, in order. */
  readonly opened: (() => Promise<unknown>)[];
  closeAll(): Promise<void>;
}

async function composeServer({
  config,
  logger,
  doors,
  registryOrigin,
  opened,
  closeAll,
}: Composition): Promise<RequestServer> {
  const metrics = createMetrics();
  const audit = createAuditLog(logger, { tracing: () => tracing?.requests });
  const access = config.auth && (await openAccess(config.auth, audit));

  const { registry, reader, writer, materializations } = await openFeatureEngine(config, {
    logger,
    metrics,
    registryOrigin,
    authorize: access?.authorize,
    onOpened: (close) => opened.push(close),
  });

  const featureServices = createFeatureServices({
    reader,
    writer,
    limits: config.limits,
    version: VERSION,
  });
  const ingestService = createIngestService(writer);
  const health = createHealthState(
    [...featureServices, ingestService].map((service) => service.name),
  );
  const services: GrpcService[] = [...featureServices, ingestService, createHealthService(health)];
  const answerCounts = { answeredCount: 0, failedCount: 0 };
  const loadReports = createLoadReports(createLoadMeter(answerCounts));
  if (config.server.loadReports !== 'none') services.push(loadReports.service);
  services.push(
    ...createReflectionServices(
      CONTRACT_FILES,
      services.map((service) => service.name),
    ),
  );

  const tracing = await openTracing(config.tracing, {
    metrics,
    logger,
    methodPaths: methodPaths([...featureServices, ingestService]),
    routePaths: HTTP_ROUTE_PATHS,
    storeKind: config.onlineStore.kind,
  });
  opened.push(async () => tracing?.close());
  const observer = createCallObserver(metrics, logger, {
    knownPaths: new Set([...methodPaths(services), ...HTTP_ROUTE_PATHS]),
    counts: answerCounts,
    tracing: tracing?.requests,
  });
  const gate = createAdmissionGate(
    {
      latencyMs: config.limits.admissionLatencyMs,
      minRequests: Math.min(
        config.limits.admissionMinRequests,
        config.limits.maxConcurrentRequests,
      ),
      maxRequests: config.limits.maxConcurrentRequests,
      maxWaitingBytes: config.limits.maxWaitingBytes,
      busyMs: () => performance.eventLoopUtilization().active,
      later: (run, ms) => void setTimeout(() => run(performance.now()), ms),
    },
    performance.now(),
  );
  const handler = createHttpHandler({
    reader,
    writer,
    materializations,
    services,
    headroomBytes: FRAME_HEADROOM,
    limits: config.limits,
    nonFiniteJson: config.semantics.nonFiniteJson,
    corsOrigins: config.server.corsOrigins,
    version: VERSION,
    defaultDeadlineMs: config.server.defaultDeadlineMs,
    isReady: health.isServing,
    observer,
    authenticate: access?.authenticate,
    gate,
    statusOf,
  });
  const dispatcher = createDispatcher({
    services,
    limits: {
      maxRequestBytes: config.limits.maxRequestBytes,
      defaultDeadlineMs: config.server.defaultDeadlineMs,
      maxConcurrentRequests: config.limits.maxConcurrentRequests,
      gate,
    },
    observer,
    authenticate: access?.authenticate,
    loadReport: config.server.loadReports === 'calls' ? loadReports.trailer : undefined,
    otherwise: createStreamListener(handler),
  });
  const createHttp2 =
    config.server.http2.engine === 'own'
      ? createEngine
      : (await import('./http2/builtin-engine.ts')).createBuiltinEngine;
  const engine = createHttp2(config.server.http2, dispatcher.listener, {
    onConnectionError: (peer, code, reason) =>
      logger.debug({ peer, code, reason }, 'connection ended for what its client did'),
    onFault: (err) => logger.error({ err }, 'fault in HTTP/2; its connection was ended'),
  });
  const port = await openSecurePort(config.server, { engine, handler, logger, metrics, doors });
  let closing: Promise<void> | undefined;
  opened.push(async () => {
    health.setServing(false);
    dispatcher.endStreams();
    const cutCount = await port.drain(config.server.drainTimeoutMs);
    if (cutCount > 0) logger.warn({ cutCount }, 'connections cut at the end of drain_timeout_ms');
  });

  metrics.watch({
    inFlightCount: () => observer.inFlightCount,
    admission: gate,
    connectionCount: () => engine.connectionCount,
    registryAgeMs: () => registry.ageMs(),
    registrySnapshot: () => registry.current(),
  });
  metrics.watchTransport({
    doors: port.counts,
    http2: engine.counters,
    queuedBytes: () => engine.queuedBytes,
    messages: observer,
  });
  health.setServing(true);
  return {
    address: port.address,
    logger,
    metrics,
    isServing: health.isServing,
    accept: port.accept,
    reload: () => port.reloadCertificate(),
    close: () => (closing ??= closeAll()),
  };
}

/** Loaded where it is needed. */
async function openAccess(config: AuthConfig, audit: Audit): Promise<Access> {
  const auth = await import('./auth/open-access.ts');
  return auth.openAccess(config, audit);
}

function methodPaths(services: readonly GrpcService[]): string[] {
  return services.flatMap((service) =>
    Object.keys(service.methods).map((method) => `/${service.name}/${method}`),
  );
}
