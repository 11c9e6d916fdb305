import { Buffer } from 'node:buffer';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OnlineStore } from '../../src/online-store/online-store.ts';
import { openOnlineStore } from '../../src/online-store/open-online-store.ts';
import { prepareHashFields } from '../../src/redis/hash-fields.ts';
import { nodeRuntime } from '../../src/redis/node-runtime.ts';
import { measureShapes } from '../../src/redis/measure-shapes.ts';
import { RedisConnection } from '../../src/redis/redis-connection.ts';
import { adminClient, startRedis, type RedisServer } from '../support/redis-server.ts';
import { waitUntil } from '../support/wait-until.ts';
import { connectionOptions } from '../redis/simulated-client.ts';
import { REDIS_DEFAULTS } from './redis-contract.ts';
import { entityKey, int64, NEW_YEAR_NS, openView, row } from './store-fixture.ts';

/** So many that the two ways differ several times over, however busy the machine is. */
const STORED_FIELDS = 450;
const WANTED_FIELDS = 250;

let server: RedisServer;
let admin: Redis;
beforeAll(async () => {
  // By its name of before Redis 7, which goes on to be taken.
  server = await startRedis({ args: ['--hash-max-ziplist-entries', '512'] });
  admin = adminClient(server.port);
});
afterAll(async () => {
  admin?.disconnect();
  await server?.stop();
});

const shapesOf = (store: OnlineStore): string[] =>
  store.figures!()
    .find(({ name }) => name === 'redis_read_shape')!
    .samples.map(({ labels }) => labels['shape']!);

describe('how a hash is read', () => {
  it('becomes the whole of it where that is quicker, with the same values', async () => {
    const store = await openOnlineStore({ ...REDIS_DEFAULTS, kind: 'redis', nodes: [server] });
    try {
      const names = Array.from({ length: STORED_FIELDS }, (_, i) => `f${i}`);
      const view = await openView(store, names);
      const ids = Array.from({ length: 8 }, (_, id) => id);
      await view.write(
        ids.map((id) => row(entityKey(id), NEW_YEAR_NS, ...names.map((_, i) => int64(i)))),
      );
      // The last ones: HMGET walks the whole hash for each of them.
      const wanted = names.slice(-WANTED_FIELDS);
      const views = [{ storedName: 'stats', featureNames: wanted }];
      const prepared = store.prepare({ project: view.project, joinKeys: ['id'], views });
      const keys = ids.map((id) => Buffer.concat([entityKey(id), prepared.keySuffix]));
      const read = () => store.read([{ prepared, keys }], { deadlineAtMs: Infinity });
      const before = await read();
      await waitUntil(
        async () => {
          await read();
          return shapesOf(store).includes('hgetall');
        },
        { what: 'the choice of HGETALL' },
      );
      const after = await read();
      const values = (cells: typeof before): string[][] =>
        cells.map(({ buffers, starts, ends }) =>
          Array.from(starts, (start, i) =>
            Buffer.from(buffers[Math.floor(i / prepared.width)]!).toString('hex', start, ends[i]),
          ),
        );
      expect(values(after)).toEqual(values(before));

      const { place } = await store.inspect(view.project, entityKey(1), views);
      expect(new Map(place).get('read of stats')).toMatch(
        /^HGETALL \(251 of 451 fields: HMGET \d+ us, HGETALL \d+ us\)$/,
      );
      const reads = store.figures!().find(({ name }) => name === 'redis_hash_reads_total')!;
      const byShape = new Map(reads.samples.map(({ labels, value }) => [labels['shape'], value]));
      expect(byShape.get('hmget')).toBeGreaterThan(0);
      expect(byShape.get('hgetall')).toBeGreaterThan(0);
    } finally {
      await store.close();
    }
  });

  it('is measured to be by fields where the hash is not packed', async () => {
    await admin.config('SET', 'hash-max-ziplist-entries', '16');
    const keys = Array.from({ length: 8 }, (_, i) => `unpacked ${i}`);
    const fields = Array.from({ length: 1_000 }, (_, i) => `field ${i}`);
    for (const key of keys) await admin.hset(key, ...fields.flatMap((field) => [field, 'value']));
    const options = connectionOptions(nodeRuntime);
    const connection = new RedisConnection(server, options);
    try {
      const wanted = prepareHashFields(fields.slice(0, 20).map((field) => Buffer.from(field)));
      const found = await measureShapes(
        connection,
        wanted,
        keys.map((key) => Buffer.from(key)),
      );
      expect(found).toMatchObject({ storedFields: 1_000, encoding: 'hashtable' });
      expect(found!.hmgetMs).toBeLessThan(found!.hgetallMs);
      expect(await measureShapes(connection, wanted, [Buffer.from('no such key')])).toBeUndefined();
    } finally {
      connection.close();
    }
  });
});
