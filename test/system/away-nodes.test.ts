import { afterAll, beforeAll, expect, it } from 'vitest';
import { startRedis, type RedisServer } from '../support/redis-server.ts';
import { makeServedRepository, type ServedRepository } from '../support/served-repository.ts';
import { startSideboard, type SideboardProcess } from '../support/sideboard-process.ts';
import { waitUntil } from '../support/wait-until.ts';

const PASSWORD = 'pa55-of-redis';

let redis: RedisServer;
let repository: ServedRepository;
let server: SideboardProcess;

beforeAll(async () => {
  redis = await startRedis({ password: PASSWORD });
  repository = await makeServedRepository([], {
    onlineStore: ['type: redis', `connection_string: 127.0.0.1:${redis.port},password=${PASSWORD}`],
  });
  await redis.kill();
  server = await startSideboard({ repoPath: repository.path });
});

afterAll(async () => {
  await server?.stop();
  await redis?.stop();
  repository?.remove();
});

/** The lines about nodes, without what differs from run to run. */
function lines(): { level: number; node: string; reason?: string }[] {
  return server.log
    .map((line) => JSON.parse(line) as { level: number; msg: string; node: string; reason: string })
    .filter(({ msg }) => msg.startsWith('a node of the online store'))
    .map(({ level, node, reason }) => ({
      level,
      node,
      ...(reason === undefined ? {} : { reason }),
    }));
}

it('says that Redis cannot be reached, and that it is back, though nobody reads', async () => {
  const node = `127.0.0.1:${redis.port}`;
  const away = { level: 40, node, reason: expect.stringContaining('ECONNREFUSED') as string };
  await waitUntil(() => lines().length === 1, { what: 'the line of a node that is away' });
  expect(lines()).toEqual([away]);
  await redis.restart();
  await waitUntil(() => lines().length === 2, { what: 'the line of a node that is back' });
  expect(lines()).toEqual([away, { level: 30, node }]);
  await redis.kill();
  await waitUntil(() => lines().length === 3, { what: 'the line of a node that went away' });
  expect(lines()[2]).toMatchObject({ level: 40, node });
});
