import { redisSlot } from '../../src/redis/redis-slot.ts';
import type { FaultClient, FaultTarget } from './fault-clients.ts';
import { ask, SHARDS, type FaultCluster } from './fault-cluster.ts';
import { runUnderLoad, type FaultFigures, type LoadStage } from './run-under-load.ts';
import { waitUntil } from './wait-until.ts';

/** What a fault of a cluster is given to work with. */
export interface ClusterStage extends LoadStage {
  readonly cluster: FaultCluster;
}

/** One way in which a cluster breaks, under load. */
export interface FaultScenario {
  readonly name: string;
  /** One line for the report. */
  readonly summary: string;
  /** Whether clients read from replicas; by default from primaries. */
  readonly readsReplicas?: boolean;
  /** Breaks something, and returns when the load has seen enough of it. */
  inject(stage: ClusterStage): Promise<void>;
}

/** Runs a fault under the loads of several clients at once, and leaves the cluster healed. */
export async function runFault(
  scenario: FaultScenario,
  clients: readonly FaultClient[],
  cluster: FaultCluster,
  target: Partial<FaultTarget> = {},
): Promise<readonly FaultFigures[]> {
  const { host = '127.0.0.1' } = cluster.options;
  return runUnderLoad({
    clients,
    target: {
      kind: 'redis_cluster',
      nodes: cluster.nodes.map(({ announcedPort }) => ({ host, port: announcedPort })),
      readsReplicas: scenario.readsReplicas ?? false,
      ...target,
    },
    entities: cluster.entities,
    groupOf: cluster.shardOf,
    inject: (stage) => scenario.inject({ ...stage, cluster }),
    heal: () => cluster.heal(),
  });
}

/** The shard that faults are made in. */
const VICTIM = 1;

const plannedFailover: FaultScenario = {
  name: 'planned failover',
  summary: 'CLUSTER FAILOVER on a replica: primary and replica change places',
  async inject({ cluster, wait }) {
    const replica = await cluster.replicaOf(VICTIM);
    await replica.admin().call('CLUSTER', 'FAILOVER');
    await waitUntil(async () => (await cluster.primaryOf(VICTIM)).port === replica.port, {
      what: 'the failover',
    });
    await wait(1_000);
  },
};

function killedPrimary(readsReplicas: boolean): FaultScenario {
  return {
    name: `primary killed, reads from ${readsReplicas ? 'replicas too' : 'primaries'}`,
    summary: 'kill -9 of a primary; its replica takes over',
    readsReplicas,
    async inject({ cluster, wait, note }) {
      const [primary, replica] = [await cluster.primaryOf(VICTIM), await cluster.replicaOf(VICTIM)];
      const killedAtMs = performance.now();
      await primary.kill();
      await waitUntil(
        async () => {
          const [role] = (await ask(replica, 'ROLE')) as [string];
          return (
            role === 'master' && String(await ask(replica, 'CLUSTER', 'INFO')).includes('state:ok')
          );
        },
        { what: 'the replica to be elected' },
      );
      note('election ms', Math.round(performance.now() - killedAtMs));
      await wait(1_500);
    },
  };
}

function stopped(role: 'primary' | 'replica', forMs: number): FaultScenario {
  return {
    name: `${role} stopped`,
    summary: `SIGSTOP of a ${role} for ${forMs / 1000} s: it takes what is sent and answers nothing`,
    readsReplicas: true,
    async inject({ cluster, wait }) {
      const node =
        role === 'primary' ? await cluster.primaryOf(VICTIM) : await cluster.replicaOf(VICTIM);
      node.pause();
      await wait(forMs);
      node.resume();
      await wait(1_000);
    },
  };
}

/** Connections to a node turn bad in one way; those made afterwards are good. */
function spoiled(
  name: string,
  summary: string,
  fault: Parameters<NonNullable<FaultCluster['nodes'][0]['proxy']>['inject']>[0],
  forMs = 3_000,
): FaultScenario {
  return {
    name,
    summary,
    async inject({ cluster, wait }) {
      const { proxy } = await cluster.primaryOf(VICTIM);
      proxy!.inject(fault, { which: 'standing' });
      await wait(forMs);
    },
  };
}

function slowNetwork(
  name: string,
  summary: string,
  fault: Parameters<typeof spoiled>[2],
): FaultScenario {
  return {
    name,
    summary,
    async inject({ cluster, wait }) {
      const { proxy } = await cluster.primaryOf(VICTIM);
      proxy!.inject(fault);
      await wait(2_500);
      proxy!.heal();
    },
  };
}

const cutConnections: FaultScenario = {
  name: 'connections cut',
  summary: 'all connections to a primary are reset, every 300 ms for 3 s',
  async inject({ cluster, wait }) {
    const { proxy } = await cluster.primaryOf(VICTIM);
    for (let i = 0; i < 10; i++) {
      proxy!.cut();
      await wait(300);
    }
  },
};

const twoNodesKilled: FaultScenario = {
  name: 'two primaries of three killed',
  summary: 'kill -9 of two primaries at once, too many to elect new ones; started again after 3 s',
  async inject({ cluster, wait }) {
    const nodes = [await cluster.primaryOf(0), await cluster.primaryOf(VICTIM)];
    await Promise.all(nodes.map((node) => node.kill()));
    await wait(3_000);
    await Promise.all(nodes.map((node) => node.restart()));
    await wait(1_000);
  },
};

const allRestarted: FaultScenario = {
  name: 'all nodes restarted',
  summary: 'kill -9 of all six processes; started again at once with what they had on disk',
  async inject({ cluster, wait }) {
    await Promise.all(cluster.nodes.map((node) => node.kill()));
    await wait(500);
    await Promise.all(cluster.nodes.map((node) => node.restart()));
    await wait(500);
  },
};

/** @param count slots that move from the first shard to the second and back. */
function slotsMoved(count: number): FaultScenario {
  return {
    name: 'slots moved',
    summary: `${count} slots moved to another shard under load, and back`,
    async inject({ cluster, wait, note }) {
      const startedAtMs = performance.now();
      await moveSlots(cluster, count, 0, VICTIM);
      await moveSlots(cluster, count, VICTIM, 0);
      note('moves ms', Math.round(performance.now() - startedAtMs));
      await wait(500);
    },
  };
}

/** Large slots take their time: some have their keys at the new node already, and the cluster has not been told. */
function slotsHalfMoved(count: number): FaultScenario {
  return {
    name: 'slots half moved, reads from replicas too',
    summary: `the keys of ${count} slots are moved a second before the slots are, and back`,
    readsReplicas: true,
    async inject({ cluster, wait }) {
      await moveSlots(cluster, count, 0, VICTIM, () => wait(1_000));
      await moveSlots(cluster, count, VICTIM, 0, () => wait(1_000));
      await wait(500);
    },
  };
}

/** The keys are where their primary would send who asks, and it answers nobody, for less time than an election takes. */
function slotsHalfMovedWithoutPrimary(count: number): FaultScenario {
  return {
    name: 'slots half moved, their primary stopped',
    summary: `the keys of ${count} slots are moved, and before the slots are, SIGSTOP of their primary for 0.9 s; then back`,
    readsReplicas: true,
    async inject({ cluster, wait }) {
      const primary = await cluster.primaryOf(0);
      await moveSlots(cluster, count, 0, VICTIM, async () => {
        primary.pause();
        await wait(900);
        primary.resume();
        await wait(300);
      });
      await moveSlots(cluster, count, VICTIM, 0);
      await wait(500);
    },
  };
}

/** Moves the slots below `count`, as redis-cli --cluster reshard does: every key, then the word to all primaries. */
async function moveSlots(
  cluster: FaultCluster,
  count: number,
  fromShard: number,
  toShard: number,
  midway?: () => Promise<void>,
): Promise<void> {
  const primaries = await Promise.all(
    Array.from({ length: SHARDS }, (_, shard) => cluster.primaryOf(shard)),
  );
  const [from, to] = [primaries[fromShard]!, primaries[toShard]!];
  const [fromId, toId] = [
    String(await from.admin().call('CLUSTER', 'MYID')),
    String(await to.admin().call('CLUSTER', 'MYID')),
  ];
  const keysOf = Map.groupBy(cluster.entities, ({ key }) => redisSlot(key));
  const moveKeys = async (slot: number): Promise<void> => {
    await to.admin().call('CLUSTER', 'SETSLOT', String(slot), 'IMPORTING', fromId);
    await from.admin().call('CLUSTER', 'SETSLOT', String(slot), 'MIGRATING', toId);
    for (const { key } of keysOf.get(slot) ?? []) {
      await from.admin().call('MIGRATE', '127.0.0.1', String(to.port), key, '0', '5000');
    }
  };
  const moveSlot = async (slot: number): Promise<void> => {
    for (const node of [to, from, ...primaries]) {
      await node.admin().call('CLUSTER', 'SETSLOT', String(slot), 'NODE', toId);
    }
  };
  const slots = Array.from({ length: count }, (_, slot) => slot);
  if (midway === undefined) {
    for (const slot of slots) {
      await moveKeys(slot);
      await moveSlot(slot);
    }
    return;
  }
  for (const slot of slots) await moveKeys(slot);
  await midway();
  for (const slot of slots) await moveSlot(slot);
}

const laggingReplica: FaultScenario = {
  name: 'replica lags',
  summary: 'what a primary sends to its replica arrives 2 s late, while other fields are written',
  readsReplicas: true,
  async inject({ cluster, readers, wait }) {
    const { proxy } = await cluster.primaryOf(VICTIM);
    proxy!.inject({ kind: 'delay', ms: 2_000, jitterMs: 0 }, { which: 'standing', of: 'replicas' });
    const keys = cluster.entities.filter((entity) => cluster.shardOf(entity) === VICTIM);
    for (const { key } of keys.slice(0, 50)) await readers[0]!.write(key);
    await wait(3_000);
  },
};

const connectionsRefused: FaultScenario = {
  name: 'maxclients reached',
  summary: 'a primary takes no new connection for 2 s (maxclients), and those that stood are reset',
  async inject({ cluster, wait }) {
    const primary = await cluster.primaryOf(VICTIM);
    const client = primary.admin();
    const [, limit] = (await client.config('GET', 'maxclients')) as [string, string];
    // Those of the other nodes and of this test stay; Redis keeps some in reserve.
    await client.config('SET', 'maxclients', '4');
    primary.proxy!.cut();
    await wait(2_000);
    await client.config('SET', 'maxclients', limit);
    await wait(500);
  },
};

const memoryFull: FaultScenario = {
  name: 'memory full',
  summary: 'a primary is over maxmemory and refuses writes; reads go on',
  async inject({ cluster, readers, wait, note }) {
    const primary = await cluster.primaryOf(VICTIM);
    await primary.admin().config('SET', 'maxmemory', '1mb');
    const entity = cluster.entities.find((each) => cluster.shardOf(each) === VICTIM)!;
    const refused = await Promise.allSettled(readers.map((reader) => reader.write(entity.key)));
    note('writes refused', refused.filter(({ status }) => status === 'rejected').length);
    await wait(1_500);
    await primary.admin().config('SET', 'maxmemory', '0');
  },
};

/** Slots that the reshard moves unless the environment asks for more. */
export const DEFAULT_SLOTS_MOVED = 300;

/** Those that need no proxies, which see nothing of what TLS carries. */
export const TLS_SCENARIOS: readonly string[] = [
  'planned failover',
  'primary killed, reads from replicas too',
  'primary killed, reads from primaries',
  'primary stopped',
  'all nodes restarted',
];

/** All faults of a cluster with proxies. */
export function clusterScenarios({
  slots = DEFAULT_SLOTS_MOVED,
  stopMs = 10_000,
}: { readonly slots?: number; readonly stopMs?: number } = {}): readonly FaultScenario[] {
  return [
    plannedFailover,
    killedPrimary(true),
    killedPrimary(false),
    stopped('primary', stopMs),
    stopped('replica', stopMs),
    spoiled('black hole', 'a connection that stands passes nothing any more, and nobody says so', {
      kind: 'black-hole',
    }),
    spoiled('half-open', 'what is sent arrives, answers are lost', { kind: 'half-open' }),
    spoiled('garbage', 'random bytes in place of a reply', { kind: 'garbage' }, 1_500),
    spoiled('half a reply', 'half a reply, then nothing', { kind: 'half-reply' }),
    spoiled('half a reply, then cut', 'half a reply, then the end', { kind: 'cut-reply' }, 1_500),
    slowNetwork('delay', 'every chunk 30 to 60 ms late', { kind: 'delay', ms: 30, jitterMs: 30 }),
    slowNetwork('loss', 'one chunk of fifty arrives 200 ms late, those behind it too', {
      kind: 'loss',
      share: 0.02,
      resentAfterMs: 200,
    }),
    cutConnections,
    twoNodesKilled,
    allRestarted,
    slotsMoved(slots),
    slotsHalfMoved(slots),
    slotsHalfMovedWithoutPrimary(slots),
    laggingReplica,
    connectionsRefused,
    memoryFull,
  ];
}
