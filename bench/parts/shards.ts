import { rm } from 'node:fs/promises';
import { startRedisCluster } from '../../test/support/redis-server.ts';
import { startSideboard } from '../../test/support/sideboard-process.ts';
import { OFFICIAL_VIEWS, SERVING_PATH } from '../data/official-layout.ts';
import { distinctRequests, verifyServer } from '../data/peer-requests.ts';
import { loadScenarios } from '../data/scenario.ts';
import { fillStore, makeRepo } from '../data/seed.ts';
import { openLoadClient } from '../load/load-client.ts';
import { runClosed } from '../load/paced-load.ts';
import { usageOf } from '../machine/processes.ts';
import { redisCpuUs } from '../machine/redis-cpu.ts';
import type { WorkersOptions } from './workers.ts';

/** One server on a cluster of some shards, kept busy. */
export interface ShardsFigures {
  readonly shards: number;
  readonly workload: string;
  readonly requestsPerSecond: number;
  readonly cpuUsPerRequest: number;
  /** Of all shards. */
  readonly redisUsPerRequest: number;
  /** Of the busiest shard, of its core: near one it was the shard that set the pace. */
  readonly shardBusyShare: number;
}

export const SHARD_COUNTS = [1, 2, 3];
/** Fewer than elsewhere: each cluster is filled anew. */
const ENTITIES = 1000;
const WARM_UP_SECONDS = 2;

/** The same load on clusters of one, two and three shards; all shards share the client's core. */
export async function measureShards(
  options: Omit<WorkersOptions, 'repoPath'>,
): Promise<ShardsFigures[]> {
  const { rounds, seconds, cores, say } = options;
  const entities = Math.min(ENTITIES, options.entities);
  const figures: ShardsFigures[] = [];
  for (const shards of SHARD_COUNTS) {
    const cluster = await startRedisCluster({ shards });
    const ports = cluster.masters.map(({ port }) => port);
    const repo = await makeRepo(ports[0]!, OFFICIAL_VIEWS, 'redis_cluster');
    try {
      await fillStore(repo, entities);
      const server = await startSideboard({ repoPath: repo.path, core: cores.server });
      try {
        for (const scenario of loadScenarios(['1x50', '100x50'])) {
          const asked = { protocol: 'grpc', port: server.port, path: SERVING_PATH } as const;
          await verifyServer(asked, scenario, entities);
          const { connections } = scenario;
          const underWay = connections * scenario.streamsPerConnection;
          const messages = distinctRequests('grpc', scenario, { entities, count: 200 });
          const client = await openLoadClient({ ...asked, messages, connections });
          await runClosed(client, { underWay, seconds: WARM_UP_SECONDS });
          for (let round = 0; round < rounds; round++) {
            const redisBefore = await Promise.all(ports.map(redisCpuUs));
            const before = usageOf(server.pid).cpuUs;
            const startedAtMs = performance.now();
            const { calls, answeredPerSecond } = await runClosed(client, { underWay, seconds });
            const tookUs = 1000 * (performance.now() - startedAtMs);
            const cpuUs = usageOf(server.pid).cpuUs - before;
            const redisAfter = await Promise.all(ports.map(redisCpuUs));
            const redisUs = redisAfter.map((us, i) => us - redisBefore[i]!);
            figures.push({
              shards,
              workload: scenario.name,
              requestsPerSecond: answeredPerSecond,
              cpuUsPerRequest: cpuUs / calls,
              redisUsPerRequest: redisUs.reduce((sum, us) => sum + us, 0) / calls,
              shardBusyShare: Math.max(...redisUs) / tookUs,
            });
          }
          client.close();
          const last = figures.at(-1)!;
          say(
            `${shards} shards, ${scenario.name}: ${last.cpuUsPerRequest.toFixed(0)} us CPU, ${last.requestsPerSecond.toFixed(0)} requests/s`,
          );
        }
      } finally {
        await server.stop();
      }
    } finally {
      await cluster.stop();
      await rm(repo.path, { recursive: true });
    }
  }
  return figures;
}
