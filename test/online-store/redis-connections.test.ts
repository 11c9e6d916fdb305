import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load-config.ts';
import { connectRedis } from '../../src/online-store/redis-client.ts';
import { openOnlineStore } from '../../src/online-store/open-online-store.ts';
import { callNode } from '../../src/redis/call-command.ts';
import { nodeRuntime } from '../../src/redis/node-runtime.ts';
import type { RedisRuntime } from '../../src/redis/redis-runtime.ts';
import { RedisConnection } from '../../src/redis/redis-connection.ts';
import { VERSION } from '../../src/version.ts';
import { connectionOptions } from '../redis/simulated-client.ts';
import {
  adminClient,
  isRedisAtLeast,
  startRedis,
  startRedisCluster,
} from '../support/redis-server.ts';
import { waitUntil } from '../support/wait-until.ts';
import { REDIS_DEFAULTS } from './redis-contract.ts';
import { entityKey, int64, NEW_YEAR_NS, openView, row } from './store-fixture.ts';

describe('a connection to Redis', () => {
  it('tells the name, the library and the protocol', async () => {
    const server = await startRedis();
    const admin = adminClient(server.port);
    const client = await connectRedis({
      ...REDIS_DEFAULTS,
      kind: 'redis',
      nodes: [server],
      clientName: 'features-eu',
    });
    try {
      await client.ping({ deadlineAtMs: Infinity });
      const list = String(await admin.call('CLIENT', 'LIST', 'TYPE', 'NORMAL'));
      const ours = list.split('\n').filter((line) => line.includes(' name=features-eu '));
      expect(ours).toHaveLength(1);
      // Redis 7.2 has library names; older ones refuse them and are read all the same.
      if (list.includes('lib-name=')) {
        expect(ours[0]).toContain('lib-name=sideboard ');
        expect(ours[0]).toContain(`lib-ver=${VERSION}`);
      }
      if (list.includes(' resp=')) expect(ours[0]).toContain(' resp=3');
    } finally {
      client.close();
      admin.disconnect();
      await server.stop();
    }
  });

  it('presents new credentials before the old ones expire, and stays', async () => {
    const server = await startRedis();
    const admin = adminClient(server.port);
    const who = async (): Promise<string> => {
      const list = String(await admin.call('CLIENT', 'LIST', 'TYPE', 'NORMAL'));
      const ours = list.split('\n').find((line) => line.includes(' name=sideboard '));
      return /\buser=(\S+)/.exec(ours ?? '')?.[1] ?? 'nobody';
    };
    const users = ['first', 'second'];
    for (const name of users) {
      await admin.call('ACL', 'SETUSER', name, 'on', `>token-of-${name}`, '~*', '+@all');
    }
    let issued = 0;
    const credentials = async () => {
      const username = users[issued++ % users.length]!;
      return { username, password: `token-of-${username}`, lifetimeMs: 400 };
    };
    const connection = new RedisConnection(
      { host: '127.0.0.1', port: server.port },
      connectionOptions(nodeRuntime, { credentials, connectTimeoutMs: 5_000 }),
    );
    try {
      expect(await callNode(connection, ['PING'])).toBe('PONG');
      // Whoever the connection is by now, it becomes the other one, twice.
      for (const name of ['second', 'first', 'second']) {
        await waitUntil(async () => (await who()) === name, { what: `the user ${name}` });
      }
      expect(connection.connectCount).toBe(1);
    } finally {
      connection.close();
      admin.disconnect();
      await server.stop();
    }
  });

  it('stands although this process was busy for longer than it may take', async () => {
    const server = await startRedis();
    const admin = adminClient(server.port);
    const takenCount = async (): Promise<number> =>
      Number(/total_connections_received:(\d+)/.exec(await admin.info('stats'))?.[1]);
    const before = await takenCount();
    const connectAndCompute: RedisRuntime['connect'] = (...how) => {
      const socket = nodeRuntime.connect(...how);
      const busyUntilMs = performance.now() + 100;
      while (performance.now() < busyUntilMs);
      return socket;
    };
    const connection = new RedisConnection(
      { host: '127.0.0.1', port: server.port },
      connectionOptions({ ...nodeRuntime, connect: connectAndCompute }, { connectTimeoutMs: 20 }),
    );
    try {
      expect(await callNode(connection, ['PING'])).toBe('PONG');
      expect(await takenCount()).toBe(before + 1);
    } finally {
      connection.close();
      admin.disconnect();
      await server.stop();
    }
  });

  it('takes no more commands than it may have pending: the read is refused, the next one answered', async () => {
    const server = await startRedis();
    const store = await openOnlineStore({
      ...REDIS_DEFAULTS,
      kind: 'redis',
      nodes: [server],
      maxPendingCommands: 20,
    });
    try {
      const view = await openView(store);
      await view.write([row(entityKey(1), NEW_YEAR_NS, int64(1), int64(2))]);
      const many = Array.from({ length: 40 }, (_, id) => entityKey(id));
      await expect(view.read(many)).rejects.toMatchObject({ code: 'OVERLOADED' });
      // What was refused makes room when its turn ends.
      await new Promise(setImmediate);
      expect(await view.valuesOf(entityKey(1))).toEqual([1n, 2n]);
    } finally {
      await store.close();
      await server.stop();
    }
  });
});

describe('a cluster that announces addresses that cannot be reached', () => {
  // Before, what a node announces is settled when it starts.
  it.runIf(isRedisAtLeast(7))('is read where the map says that its nodes are', async () => {
    const cluster = await startRedisCluster();
    const repoPath = mkdtempSync(join(tmpdir(), 'sideboard-nat-'));
    const admins = cluster.nodes.map(({ port }) => adminClient(port));
    try {
      // Nobody listens there.
      const announced = cluster.nodes.map((_, i) => i + 1);
      for (const [i, admin] of admins.entries()) {
        await admin.config('SET', 'cluster-announce-port', String(announced[i]));
      }
      for (const admin of admins) {
        const isTold = async (): Promise<boolean> => {
          const told = JSON.stringify(await admin.call('CLUSTER', 'SLOTS'));
          return announced.every((port) => told.includes(`"127.0.0.1",${port},`));
        };
        await waitUntil(isTold, { what: 'all nodes to know what is announced' });
      }
      const natMap = cluster.nodes.map(
        ({ port }, i) => `127.0.0.1:${announced[i]}=127.0.0.1:${port}`,
      );
      const yaml = [
        'project: p',
        'online_store:',
        '  type: redis',
        '  redis_type: redis_cluster',
        `  connection_string: 127.0.0.1:${cluster.nodes[0]!.port}`,
        'sideboard:',
        `  redis_nat_map: ${natMap.join(',')}`,
      ];
      writeFileSync(join(repoPath, 'feature_store.yaml'), `${yaml.join('\n')}\n`);
      const store = await openOnlineStore(loadConfig({ repoPath, env: {} }).onlineStore);
      try {
        const view = await openView(store);
        const keys = Array.from({ length: 30 }, (_, id) => entityKey(id));
        await view.write(keys.map((key, id) => row(key, NEW_YEAR_NS, int64(id), int64(-id))));
        for (const [id, key] of keys.entries()) {
          expect(await view.valuesOf(key)).toEqual([BigInt(id), BigInt(-id)]);
        }
      } finally {
        await store.close();
      }
    } finally {
      admins.forEach((admin) => admin.disconnect());
      await cluster.stop();
      rmSync(repoPath, { recursive: true });
    }
  });
});
