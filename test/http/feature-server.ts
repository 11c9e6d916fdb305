import { createServer, type Server } from 'node:http';
import {
  createServer as createNetServer,
  type AddressInfo,
  type Server as NetServer,
} from 'node:net';
import {
  GRPC_FEATURE_SERVER,
  SERVING_SERVICE,
  createFeatureServices,
} from '../../src/grpc/feature-services.ts';
import { FRAME_HEADROOM, type GrpcService } from '../../src/grpc/grpc-service.ts';
import { createHealthService, createHealthState, type HealthState } from '../../src/grpc/health.ts';
import type { CallObserver } from '../../src/grpc/server-call.ts';
import { statusOf } from '../../src/grpc/status.ts';
import { cancelled, deadlineExceeded, onlineStoreUnavailable } from '../../src/errors.ts';
import { serializeEntityKey } from '../../src/feast-encoding/entity-key.ts';
import { encodeTimestamp } from '../../src/feast-encoding/timestamp.ts';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import { createDispatcher } from '../../src/grpc/dispatch.ts';
import { createHttpHandler, type HttpHandlerOptions } from '../../src/http/http-handler.ts';
import type { HttpHandler } from '../../src/http/http-message.ts';
import { createStreamListener } from '../../src/http/stream-exchange.ts';
import { DEFAULT_LIMITS } from '../../src/http2/default-limits.ts';
import { createEngine } from '../../src/http2/engine.ts';
import type { StreamListener } from '../../src/http2/http2-engine.ts';
import type { MaterializationJobs } from '../../src/ingestion/materialization-jobs.ts';
import { createFeatureWriter } from '../../src/ingestion/feature-writer.ts';
import { LOST } from '../../src/online-store/online-store.ts';
import type {
  EntityRead,
  OnlineStore,
  PreparedRead,
  ReadLayout,
  ReadOptions,
  StoredCells,
} from '../../src/online-store/online-store.ts';
import type {
  FieldDefinition,
  RegistrySnapshot,
  RegistrySource,
  ViewDefinition,
} from '../../src/registry/registry-model.ts';
import { createFeatureReader } from '../../src/retrieval/feature-reader.ts';
import { storedCells, type Cell } from '../support/stored-cells.ts';

/** Event time of every stored row: old enough for any TTL. */
export const ROW_TIME_NS = 1_735_689_600_123_000_000n;

const NO_MATERIALIZATIONS: MaterializationJobs = {
  run: () => Promise.resolve(),
  start: () => Promise.resolve({ kind: 'accepted', viewNames: [] }),
  close: () => Promise.resolve(),
};

/** What a test may change about the server. */
export interface FeatureServerOptions {
  readonly materializations?: MaterializationJobs;
  readonly handler?: Partial<Omit<HttpHandlerOptions, 'limits'>>;
  readonly limits?: Partial<HttpHandlerOptions['limits']>;
  readonly maxRows?: number;
  /** How long a request over HTTP/1.1 may take to arrive; a busy machine is slow without any fault. */
  readonly arrivalTimeoutMs?: number;
}

/** One call as the observer heard of it. */
export interface ObservedCall {
  readonly path: string;
  readonly code: number;
  readonly rowCount: number;
  readonly featureCount: number;
}

/** The HTTP handler on loopback ports, over a reader, a registry with one view, and rows in memory. */
export interface FeatureServer {
  /** Over HTTP/1.1. */
  readonly url: string;
  /** Over HTTP/2, beside gRPC. */
  readonly http2Url: string;
  readonly port: number;
  readonly server: Server;
  readonly services: readonly GrpcService[];
  /** Answers HTTP/1.1 requests; for a port that a test opens itself. */
  readonly handler: HttpHandler;
  /** Answers HTTP/2 streams, gRPC among them. */
  readonly listener: StreamListener;
  readonly health: HealthState;
  /** Calls that are over, in order. */
  readonly calls: ObservedCall[];
  /** Paths of calls that were refused by their heads alone. */
  readonly turnedAway: string[];
  readonly store: MemoryStore;
  /** Calls being answered. */
  inFlightCount(): number;
  close(): Promise<void>;
}

/** View `driver_stats` (TTL one hour) of `driver_id`: rows 1001 and 1002, and 1003 whose `note` is not UTF-8. */
export async function startFeatureServer(
  options: FeatureServerOptions = {},
): Promise<FeatureServer> {
  const store = createMemoryStore();
  const limits = {
    maxRows: options.maxRows ?? 5000,
    maxFeatures: 100,
    maxCells: 100_000,
    maxRequestBytes: 256 * 1024,
    maxResponseBytes: 16 * 1024 * 1024,
    maxConcurrentRequests: 100,
    planCacheBytes: 1024 * 1024,
    ...options.limits,
  };
  const registry = registrySource();
  const writer = createFeatureWriter({
    registry,
    store,
    entityKeyVersion: 3,
    maxPendingBytes: 1024 * 1024,
  });
  const reader = createFeatureReader({
    registry,
    store,
    entityKeyVersion: 3,
    limits,
    semantics: {
      onlineTtl: 'protocol',
      nullStatus: 'present',
      missingEntity: 'not_found',
      lossyEntityCoercion: false,
      readEntitylessPushes: false,
      partialResults: false,
    },
  });
  const health = createHealthState([SERVING_SERVICE, GRPC_FEATURE_SERVER]);
  health.setServing(true);
  const calls: ObservedCall[] = [];
  const turnedAway: string[] = [];
  const observer: CallObserver = {
    inFlightCount: 0,
    receivedMessageCount: 0,
    sentMessageCount: 0,
    onTurnedAway: (path) => void turnedAway.push(path),
    onCallEnd({ path, rowCount, featureCount }, { code }): void {
      calls.push({ path, code, rowCount, featureCount });
    },
  };
  const services = [
    ...createFeatureServices({ reader, writer, limits, version: '0.0.0-test' }),
    createHealthService(health),
  ];
  const handler = createHttpHandler({
    reader,
    writer,
    materializations: options.materializations ?? NO_MATERIALIZATIONS,
    services,
    headroomBytes: FRAME_HEADROOM,
    limits,
    nonFiniteJson: 'string',
    corsOrigins: [],
    version: '0.0.0-test',
    defaultDeadlineMs: 0,
    isReady: () => health.isServing(),
    observer,
    statusOf,
    ...options.handler,
  });
  const arrivalTimeoutMs = options.arrivalTimeoutMs ?? 60_000;
  const server = createServer(
    {
      requestTimeout: arrivalTimeoutMs,
      headersTimeout: arrivalTimeoutMs,
      connectionsCheckingInterval: 50,
    },
    handler,
  );
  const port = await listen(server);
  const dispatcher = createDispatcher({
    services,
    limits: { ...limits, defaultDeadlineMs: 0, gate: options.handler?.gate },
    observer,
    otherwise: createStreamListener(handler),
  });
  const engine = createEngine(DEFAULT_LIMITS, dispatcher.listener);
  const http2Server = createNetServer((socket) => engine.accept(socket));
  const http2Port = await listen(http2Server);
  return {
    url: `http://127.0.0.1:${port}`,
    http2Url: `http://127.0.0.1:${http2Port}`,
    port,
    server,
    services,
    handler,
    listener: dispatcher.listener,
    health,
    calls,
    turnedAway,
    store,
    inFlightCount: () => observer.inFlightCount,
    close: async () => {
      server.closeAllConnections();
      engine.close();
      await Promise.all([server, http2Server].map((each) => new Promise((r) => each.close(r))));
    },
  };
}

async function listen(server: NetServer): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** Rows in memory. `hold()` lets reads wait, as for a slow Redis, until their deadline, their caller or `release` ends it. */
export interface MemoryStore extends OnlineStore {
  hold(): void;
  release(): void;
  /** From now on this driver's row cannot be read, as if its shard were gone. */
  lose(driver: bigint): void;
  /** Reads that are waiting. */
  readonly waitingCount: number;
  /** Reads that ended because their caller went away. */
  readonly cancelledCount: number;
}

function createMemoryStore(): MemoryStore {
  const rows = new Map<string, ReadonlyMap<string, Cell>>();
  const lost = new Set<string>();
  const keyOf = (driver: bigint): string => {
    const key = serializeEntityKey(['driver_id'], [{ type: ValueType.INT64, value: driver }], 3);
    return Buffer.from(key).toString('hex');
  };
  const put = (driver: bigint, cells: Record<string, Uint8Array>): void => {
    const timestamp = encodeTimestamp(ROW_TIME_NS);
    rows.set(keyOf(driver), new Map(Object.entries({ ...cells, timestamp })));
  };
  // conv_rate 1.0, trips 2^60 + 1, note "Zürich"; then NaN, an empty value, "b"; then a broken string.
  put(1001n, {
    conv_rate: Buffer.from('29000000000000f03f', 'hex'),
    trips: Buffer.from('20818080808080808010', 'hex'),
    note: Buffer.from('12075ac3bc72696368', 'hex'),
  });
  put(1002n, {
    conv_rate: Buffer.from('29000000000000f87f', 'hex'),
    trips: new Uint8Array(0),
    note: Buffer.from('120162', 'hex'),
  });
  put(1003n, { note: Buffer.from('1202c328', 'hex') });

  const layouts = new WeakMap<PreparedRead, ReadLayout>();
  let gate: { readonly opened: Promise<void>; readonly open: () => void } | undefined;
  const counts = { waiting: 0, cancelled: 0 };
  const unused = (): Promise<never> => Promise.reject(new Error('rows in memory are only read'));

  return {
    kind: 'memory',
    get waitingCount() {
      return counts.waiting;
    },
    get cancelledCount() {
      return counts.cancelled;
    },
    hold() {
      const { promise, resolve } = Promise.withResolvers<void>();
      gate = { opened: promise, open: resolve };
    },
    release() {
      gate?.open();
      gate = undefined;
    },
    lose(driver) {
      lost.add(keyOf(driver));
    },
    prepare(layout) {
      const width = layout.views.reduce((sum, view) => sum + view.featureNames.length + 1, 0);
      const prepared = { keySuffix: new Uint8Array(0), width };
      layouts.set(prepared, layout);
      return prepared;
    },
    async read(reads, readOptions) {
      if (gate !== undefined) {
        counts.waiting += 1;
        try {
          await untilOpen(gate.opened, readOptions);
        } catch (error) {
          if (readOptions.signal?.aborted === true) counts.cancelled += 1;
          throw error;
        } finally {
          counts.waiting -= 1;
        }
      }
      const isLost = (key: Uint8Array): boolean => lost.has(Buffer.from(key).toString('hex'));
      if (readOptions.isPartial !== true && reads.some(({ keys }) => keys.some(isLost))) {
        throw onlineStoreUnavailable('a shard is gone');
      }
      return reads.map((read) => {
        const cells = cellsOf(read, layouts.get(read.prepared)!, rows);
        const { width } = read.prepared;
        for (const [i, key] of read.keys.entries()) {
          if (isLost(key)) cells.starts.fill(LOST, i * width, (i + 1) * width);
        }
        return cells;
      });
    },
    write: unused,
    update: unused,
    ping: () => Promise.resolve(),
    check: () => Promise.resolve([]),
    inspect: unused,
    close: () => Promise.resolve(),
  };
}

function cellsOf(
  { prepared, keys }: EntityRead,
  layout: ReadLayout,
  rows: ReadonlyMap<string, ReadonlyMap<string, Cell>>,
): StoredCells {
  const cells = keys.flatMap((key) => {
    const row = rows.get(Buffer.from(key).toString('hex'));
    return layout.views.flatMap(({ featureNames }) =>
      [...featureNames, 'timestamp'].map((name) => row?.get(name) ?? null),
    );
  });
  return storedCells(cells, prepared.width);
}

function untilOpen(opened: Promise<void>, { deadlineAtMs, signal }: ReadOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const leftMs = deadlineAtMs - performance.now();
    const timer =
      leftMs === Infinity
        ? undefined
        : setTimeout(() => reject(deadlineExceeded('while reading')), leftMs);
    signal?.addEventListener('abort', () => reject(cancelled()), { once: true });
    void opened.then(resolve).finally(() => clearTimeout(timer));
  });
}

function registrySource(): RegistrySource {
  const driverId: FieldDefinition = { name: 'driver_id', valueType: ValueType.INT64 };
  const features: readonly FieldDefinition[] = [
    { name: 'conv_rate', valueType: ValueType.DOUBLE },
    { name: 'trips', valueType: ValueType.INT64 },
    { name: 'note', valueType: ValueType.STRING },
  ];
  const view: ViewDefinition = {
    kind: 'feature_view',
    name: 'driver_stats',
    entityNames: ['driver'],
    joinKeys: [driverId],
    features,
    featuresByName: new Map(features.map((field) => [field.name, field])),
    ttlSeconds: 3600,
    disabled: false,
    online: true,
    state: 'available_online',
    versionNumber: 0,
    tags: {},
    owner: '',
    description: '',
  };
  const snapshot: RegistrySnapshot = {
    project: 'rides',
    versionId: '1',
    lastUpdatedMs: 0,
    entities: new Map([
      ['driver', { name: 'driver', joinKey: 'driver_id', valueType: ValueType.INT64 }],
      ['rider', { name: 'rider', joinKey: 'rider_id', valueType: ValueType.STRING }],
    ]),
    views: new Map([[view.name, view]]),
    viewVersions: new Map([[view.name, new Map([[0, view]])]]),
    featureServices: new Map([
      [
        'driver_service',
        {
          name: 'driver_service',
          projections: [
            {
              viewName: view.name,
              alias: '',
              featureNames: ['conv_rate', 'trips'],
              joinKeyMap: new Map(),
              versionTag: undefined,
            },
          ],
          precomputeOnline: false,
          tags: {},
          owner: '',
          description: '',
        },
      ],
    ]),
    pushSources: new Map(),
    permissions: [],
    versioningEnabled: false,
  };
  return {
    current: () => snapshot,
    ageMs: () => 0,
    onChange: () => () => {},
    refresh: () => Promise.resolve(false),
    close: () => Promise.resolve(),
  };
}
