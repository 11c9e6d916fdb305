import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openOnlineStore } from '../../src/online-store/open-online-store.ts';
import type { RedisOnlineStoreOptions } from '../../src/online-store/redis-online-store.ts';
import { adminClient, startRedis } from '../support/redis-server.ts';
import { describeOnlineStore } from './contract.ts';
import { describeRedisWrites, REDIS_DEFAULTS } from './redis-contract.ts';
import { entityKey, int64, NEW_YEAR_NS, openView, row, soon } from './store-fixture.ts';

type Changes = Partial<RedisOnlineStoreOptions>;

async function openSingle(changes: Changes = {}) {
  const server = await startRedis();
  const options: RedisOnlineStoreOptions = {
    ...REDIS_DEFAULTS,
    kind: 'redis',
    nodes: [server],
    ...changes,
  };
  return { store: await openOnlineStore(options), options, server, stop: () => server.stop() };
}

/** As some operators run it: scripts are nobody's business. */
async function openScriptless() {
  const args = ['EVAL', 'EVALSHA', 'SCRIPT'].flatMap((name) => ['--rename-command', name, '']);
  const server = await startRedis({ args });
  const options: RedisOnlineStoreOptions = { ...REDIS_DEFAULTS, kind: 'redis', nodes: [server] };
  return { store: await openOnlineStore(options), options, server, stop: () => server.stop() };
}

describeOnlineStore('one Redis', openSingle);
describeRedisWrites('one Redis', openSingle);
describeOnlineStore('one Redis, whole hashes', () => openSingle({ readShape: 'hgetall' }));
describeOnlineStore('one Redis without scripts', openScriptless);
describeRedisWrites('one Redis without scripts', openScriptless);
describeOnlineStore('another database of one Redis', () => openSingle({ database: 3 }));

describe('Redis with TLS and a password', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sideboard-tls-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const certificate = createCertificate(folder);
  const startSecured = async (changes: Changes = {}) => {
    const server = await startRedis({ password: 'se,cr=et', tls: certificate });
    const options: RedisOnlineStoreOptions = {
      ...REDIS_DEFAULTS,
      kind: 'redis',
      nodes: [server],
      username: 'default',
      password: 'se,cr=et',
      tls: { ca: readFileSync(certificate.caFile, 'utf8'), rejectUnauthorized: true },
      ...changes,
    };
    return { store: await openOnlineStore(options), options, stop: () => server.stop() };
  };
  describeOnlineStore('Redis with TLS and a password', startSecured);

  it.each([
    ['a wrong password', { password: 'wr0ng' } satisfies Changes, /WRONGPASS/],
    [
      'no trusted certificate',
      { tls: { rejectUnauthorized: true } } satisfies Changes,
      /certificate/,
    ],
    ['no TLS', { tls: false } satisfies Changes, /no connection|failed|closed/i],
  ])('says what is wrong: %s', async (_, changes, reason) => {
    const { store, stop } = await startSecured(changes);
    try {
      const error: unknown = await store.ping(soon(3_000)).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'ONLINE_STORE_UNAVAILABLE' });
      expect(String(error)).toMatch(reason);
      expect(String(error)).not.toMatch(/wr0ng|se,cr/);
      expect(await store.check()).toMatchObject([{ level: 'error' }]);
    } finally {
      await store.close();
      await stop();
    }
  });
});

describe('a unix socket of Redis', () => {
  it('is spoken to instead of the host of the connection string', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sideboard-socket-'));
    const unixSocket = join(folder, 'redis.sock');
    const server = await startRedis({ args: ['--unixsocket', unixSocket] });
    const nodes = [{ host: 'nobody.invalid', port: 1 }];
    const store = await openOnlineStore({ ...REDIS_DEFAULTS, kind: 'redis', nodes, unixSocket });
    try {
      const view = await openView(store);
      await view.write([row(entityKey(1), NEW_YEAR_NS, int64(1), int64(2))]);
      expect(await view.valuesOf(entityKey(1))).toEqual([1n, 2n]);
      await server.kill();
      await expect(view.read([entityKey(1)])).rejects.toMatchObject({
        message: expect.stringContaining(unixSocket) as string,
      });
    } finally {
      await store.close();
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe('a password in a file', () => {
  it('is read again when a connection is made, so that it can be rotated', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sideboard-password-'));
    const passwordFile = join(folder, 'password');
    writeFileSync(passwordFile, 'first\n');
    const server = await startRedis({ password: 'first' });
    const admin = adminClient(server.port, { password: 'first' });
    const store = await openOnlineStore({
      ...REDIS_DEFAULTS,
      kind: 'redis',
      nodes: [server],
      passwordFile,
    });
    try {
      const view = await openView(store);
      await view.write([row(entityKey(1), NEW_YEAR_NS, int64(1), int64(2))]);
      await admin.config('SET', 'requirepass', 'second');
      // Connections that stand stay; new ones need the new password.
      expect(await view.valuesOf(entityKey(1))).toEqual([1n, 2n]);
      writeFileSync(passwordFile, 'second\n');
      await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      await expect
        .poll(() => view.valuesOf(entityKey(1)).catch(() => 'away'), { timeout: 10_000 })
        .toEqual([1n, 2n]);
    } finally {
      admin.disconnect();
      await store.close();
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe('a user who may not', () => {
  it.each([
    ['load scripts', '-script'],
    ['run scripts', '-@scripting'],
    ['ask for RESP3', '-hello'],
    ['name its connection', '-client'],
  ])('%s writes and reads all the same', async (_, rule) => {
    const server = await startRedis();
    const client = adminClient(server.port);
    await client.call('ACL', 'SETUSER', 'feast', 'on', '>pw', '~*', '+@all', rule);
    client.disconnect();
    const store = await openOnlineStore({
      ...REDIS_DEFAULTS,
      kind: 'redis',
      nodes: [server],
      username: 'feast',
      password: 'pw',
    });
    try {
      const view = await openView(store);
      const rows = [row(entityKey(1), NEW_YEAR_NS, int64(1), int64(2))];
      expect(await view.write(rows)).toEqual({ written: 1, stale: 0 });
      expect(await view.write(rows)).toEqual({ written: 0, stale: 1 });
      expect(await view.valuesOf(entityKey(1))).toEqual([1n, 2n]);
    } finally {
      await store.close();
      await server.stop();
    }
  });
});

describe('what Redis holds that is no row', () => {
  it('names a key of another type by its hash alone', async () => {
    const { store, server, stop } = await openSingle();
    const client = adminClient(server.port);
    try {
      const view = await openView(store);
      const key = Buffer.concat([entityKey(424_242), Buffer.from(view.project)]);
      await client.set(key, 'text');
      const error: unknown = await view
        .read([entityKey(1), entityKey(424_242)])
        .catch((e: unknown) => e);
      expect(error).toMatchObject({ code: 'CORRUPT_STORED_VALUE' });
      expect(String(error)).toMatch(/key hash [0-9a-f]{8}: its Redis key does not hold a hash/);
      await expect(
        view.write([row(entityKey(424_242), NEW_YEAR_NS, int64(1), int64(1))]),
      ).rejects.toMatchObject({
        code: 'CORRUPT_STORED_VALUE',
      });
      await expect(store.inspect(view.project, entityKey(424_242))).rejects.toMatchObject({
        code: 'CORRUPT_STORED_VALUE',
      });
      // The connection is in order: other entities are read right after.
      expect(await view.valuesOf(entityKey(1))).toEqual([undefined, undefined]);
    } finally {
      client.disconnect();
      await store.close();
      await stop();
    }
  });

  it('does not keep the other rows of a batch from being written', async () => {
    const { store, server, stop } = await openSingle();
    const client = adminClient(server.port);
    try {
      const view = await openView(store);
      await client.set(Buffer.concat([entityKey(70), Buffer.from(view.project)]), 'text');
      const ids = Array.from({ length: 120 }, (_, id) => id);
      const error: unknown = await view
        .write(ids.map((id) => row(entityKey(id), NEW_YEAR_NS, int64(id), int64(id))))
        .catch((e: unknown) => e);
      expect(error).toMatchObject({ code: 'CORRUPT_STORED_VALUE' });
      expect(String(error)).toMatch(/key hash [0-9a-f]{8}: its Redis key does not hold a hash/);
      for (const id of ids.filter((each) => each !== 70)) {
        expect(await view.valuesOf(entityKey(id))).toEqual([BigInt(id), BigInt(id)]);
      }
    } finally {
      client.disconnect();
      await store.close();
      await stop();
    }
  });

  it('writes over a stored timestamp that is none', async () => {
    const { store, server, stop } = await openSingle();
    const client = adminClient(server.port);
    try {
      const view = await openView(store);
      const key = Buffer.concat([entityKey(1), Buffer.from(view.project)]);
      for (const damaged of [
        Buffer.of(0x08),
        Buffer.of(0x08, 0xff),
        Buffer.from('text'),
        Buffer.alloc(30, 0xff),
      ]) {
        await client.hset(key, '_ts:stats', damaged);
        expect(await view.write([row(entityKey(1), NEW_YEAR_NS, int64(1), int64(1))])).toEqual({
          written: 1,
          stale: 0,
        });
        expect(await view.timestampOf(entityKey(1))).toBe(NEW_YEAR_NS);
      }
    } finally {
      client.disconnect();
      await store.close();
      await stop();
    }
  });

  it('gives the script again to a server that forgot it', async () => {
    const { store, server, stop } = await openSingle();
    const client = adminClient(server.port);
    try {
      const view = await openView(store);
      for (const second of [0n, 1n, 2n]) {
        await client.call('SCRIPT', 'FLUSH');
        const written = row(entityKey(1), NEW_YEAR_NS + second, int64(second), int64(second));
        expect(await view.write([written])).toEqual({ written: 1, stale: 0 });
      }
      expect(await view.valuesOf(entityKey(1))).toEqual([2n, 2n]);
    } finally {
      client.disconnect();
      await store.close();
      await stop();
    }
  });

  it('warns of a server that throws features away', async () => {
    const { store, server, stop } = await openSingle();
    const client = adminClient(server.port);
    try {
      await client.config('SET', 'maxmemory-policy', 'allkeys-lru');
      const warnings = (await store.check()).filter(({ level }) => level === 'warning');
      expect(warnings).toHaveLength(1);
      expect(warnings[0]!.message).toMatch(/throws features away.*allkeys-lru/);
      await client.config('SET', 'maxmemory-policy', 'volatile-lru');
      expect((await store.check()).filter(({ level }) => level !== 'ok')).toEqual([]);
    } finally {
      client.disconnect();
      await store.close();
      await stop();
    }
  });
});

/** A certificate for 127.0.0.1 that is its own authority. */
function createCertificate(folder: string) {
  const keyFile = join(folder, 'key.pem');
  const certFile = join(folder, 'cert.pem');
  const request = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2';
  const subject = '-subj /CN=sideboard-test -addext subjectAltName=IP:127.0.0.1';
  const words = `${request} ${subject} -keyout ${keyFile} -out ${certFile}`.split(' ');
  const made = spawnSync('openssl', words);
  if (made.status !== 0) {
    throw new Error(`openssl made no certificate: ${made.stderr.toString()}`);
  }
  return { keyFile, certFile, caFile: certFile };
}
