import { Cluster, Redis } from 'ioredis';
import { openOnlineStore } from '../../src/online-store/open-online-store.ts';
import type { RedisOnlineStoreOptions } from '../../src/online-store/redis-online-store.ts';
import { FIELDS, JOIN_KEY, PROJECT, VIEW } from './fault-cluster.ts';
import type { KnownReader } from './read-load.ts';
import { readCells } from './stored-cells.ts';

/** Where a client of a scenario connects to, and how. */
export interface FaultTarget {
  readonly kind: 'redis' | 'redis_cluster';
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  readonly readsReplicas?: boolean;
  readonly password?: string;
  /** File that holds the password as it is now, for clients that can read it again. */
  readonly passwordFile?: string;
  /** PEM of the authority that the client trusts; absent = no TLS. */
  readonly ca?: string;
  /** For one command, beneath the deadlines of reads. */
  readonly commandTimeoutMs?: number;
}

export interface FaultReader extends KnownReader {
  /** Writes one more field to an entity's hash. */
  write(key: Buffer): Promise<void>;
  close(): Promise<void>;
}

/** A client under test. */
export interface FaultClient {
  readonly name: string;
  open(target: FaultTarget): Promise<FaultReader>;
}

const CONNECT_TIMEOUT_MS = 500;
const COMMAND_TIMEOUT_MS = 2_000;

/** This project's store, as the server opens it. */
export const sideboardClient: FaultClient = {
  name: 'sideboard',
  async open(target) {
    const store = await openOnlineStore(storeOptions(target));
    const prepared = store.prepare({ project: PROJECT, joinKeys: [JOIN_KEY], views: [VIEW] });
    return {
      async read({ key }, deadlineAtMs) {
        const [cells] = await readCells(store, [{ prepared, keys: [key] }], { deadlineAtMs });
        return cells!;
      },
      async write(key) {
        const rows = [
          {
            entityKey: key.subarray(0, key.length - PROJECT.length),
            eventTimestampNs: BigInt(Date.now()) * 1_000_000n,
            values: [Buffer.from('x')],
          },
        ];
        const view = { storedName: 'written', featureNames: ['more'] };
        const limits = { deadlineAtMs: performance.now() + 5_000 };
        await store.write({ project: PROJECT, joinKeys: [JOIN_KEY], view, rows }, limits);
      },
      close: () => store.close(),
    };
  },
};

function storeOptions(target: FaultTarget): RedisOnlineStoreOptions {
  return {
    kind: target.kind,
    nodes: target.nodes,
    password: target.password,
    passwordFile: target.passwordFile,
    readFrom: target.readsReplicas === true ? 'nearest' : 'primary',
    database: 0,
    tls: target.ca === undefined ? false : { ca: target.ca, rejectUnauthorized: true },
    sentinelMaster: 'mymaster',
    keyTtlSeconds: undefined,
    skipDedup: false,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    commandTimeoutMs: target.commandTimeoutMs ?? COMMAND_TIMEOUT_MS,
  };
}

/** ioredis as its users run it, with the settings that its documentation recommends for reads with deadlines. */
export const ioredisClient: FaultClient = {
  name: 'ioredis',
  async open(target) {
    const common = {
      connectTimeout: CONNECT_TIMEOUT_MS,
      commandTimeout: target.commandTimeoutMs ?? COMMAND_TIMEOUT_MS,
      ...(target.password === undefined ? {} : { password: target.password }),
      ...(target.ca === undefined ? {} : { tls: { ca: target.ca } }),
    };
    const client =
      target.kind === 'redis_cluster'
        ? new Cluster([...target.nodes], {
            redisOptions: common,
            scaleReads: target.readsReplicas === true ? 'all' : 'master',
            slotsRefreshTimeout: CONNECT_TIMEOUT_MS,
            slotsRefreshInterval: 5_000,
            // Names stay names, as for managed services: certificates carry them.
            dnsLookup: (address, callback) => callback(null, address),
          })
        : new Redis({ ...target.nodes[0]!, ...common });
    client.on('error', () => {
      // The read that meets the error reports it.
    });
    await new Promise((resolve) => {
      client.once('ready', resolve);
      client.once('error', resolve);
      setTimeout(resolve, COMMAND_TIMEOUT_MS).unref();
    });
    const fields = FIELDS.map((field) => Buffer.from(field));
    return {
      read: ({ key }, deadlineAtMs) => inTime(client.hmgetBuffer(key, ...fields), deadlineAtMs),
      async write(key) {
        await inTime(client.hset(key, 'more', 'x'), performance.now() + 5_000);
      },
      close: async () => client.disconnect(),
    };
  },
};

/** ioredis has no deadlines of commands: whoever needs them races a timer, as here. */
async function inTime<T>(command: Promise<T>, deadlineAtMs: number): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error('deadline exceeded')),
    deadlineAtMs - performance.now(),
  );
  try {
    return await Promise.race([command, promise]);
  } finally {
    clearTimeout(timer);
  }
}
