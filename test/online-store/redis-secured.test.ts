import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load-config.ts';
import { openOnlineStore } from '../../src/online-store/open-online-store.ts';
import type { OnlineStore } from '../../src/online-store/online-store.ts';
import { createAuthority } from '../support/certificates.ts';
import {
  startRedis,
  startRedisCluster,
  startRedisSentinel,
  type RedisTlsFiles,
} from '../support/redis-server.ts';
import { describeOnlineStore, type OpenedStore } from './contract.ts';
import { soon } from './store-fixture.ts';

// What an operator writes into feature_store.yaml is what these stores are opened with.

const FOLDER = mkdtempSync(join(tmpdir(), 'sideboard-secured-'));
afterAll(() => rmSync(FOLDER, { recursive: true, force: true }));

const authority = createAuthority(FOLDER, 'authority');
const server = authority.issue('server', { names: ['IP:127.0.0.1'] });
const client = authority.issue('client', { names: ['DNS:feature-server'] });
const stranger = createAuthority(FOLDER, 'stranger');
const tls: RedisTlsFiles = { ...server, caFile: authority.certFile };
const user = { name: 'feast', password: 's=cret' };
const password = 'of-the-default-user';

/** Opens the store of an `online_store:` block, which has these keys besides its type. */
function openConfigured(
  keys: Readonly<Record<string, string>>,
  env: Readonly<Record<string, string>> = {},
): Promise<OnlineStore> {
  const repoPath = mkdtempSync(join(FOLDER, 'repo-'));
  const lines = Object.entries(keys).map(([key, value]) => `  ${key}: '${value}'\n`);
  const yaml = `project: p\nonline_store:\n  type: redis\n${lines.join('')}`;
  writeFileSync(join(repoPath, 'feature_store.yaml'), yaml);
  return openOnlineStore(loadConfig({ repoPath, env }).onlineStore);
}

async function openCluster(): Promise<OpenedStore> {
  const cluster = await startRedisCluster({ node: () => ({ password, user, tls }) });
  const nodes = cluster.nodes.map(({ host, port }) => `${host}:${port}`).join(',');
  const store = await openConfigured({
    redis_type: 'redis_cluster',
    connection_string: `${nodes},username=feast,password=s=cret,ssl=true,ssl_ca_certs=${authority.certFile}`,
  });
  return { store, stop: () => cluster.stop() };
}
describeOnlineStore('a cluster over TLS, with a user of its own', openCluster);

async function openSentinel(): Promise<OpenedStore> {
  const group = await startRedisSentinel({
    node: { password, tls },
    sentinelPassword: 'of-the-sentinel',
  });
  const { host, port } = group.sentinel;
  const store = await openConfigured(
    {
      redis_type: 'redis_sentinel',
      sentinel_master: group.masterName,
      connection_string: `${host}:${port},password=${password},ssl=True,ssl_ca_certs=${authority.certFile},sentinel_kwargs={"password":"of-the-sentinel"}`,
    },
    { SIDEBOARD_REDIS_SENTINEL_TLS: 'true' },
  );
  return { store, stop: () => group.stop() };
}
describeOnlineStore('a sentinel and its master over TLS, with a password each', openSentinel);

async function openMutual(
  env: Readonly<Record<string, string>> = {
    SIDEBOARD_REDIS_TLS_CA_FILE: authority.certFile,
    SIDEBOARD_REDIS_TLS_CERT_FILE: client.certFile,
    SIDEBOARD_REDIS_TLS_KEY_FILE: client.keyFile,
  },
): Promise<OpenedStore> {
  const redis = await startRedis({ tls: { ...tls, mutual: true } });
  const store = await openConfigured({ connection_string: `127.0.0.1:${redis.port}` }, env);
  return { store, stop: () => redis.stop() };
}
describeOnlineStore('one Redis with mutual TLS', openMutual);

describe('mutual TLS', () => {
  const foreign = stranger.issue('foreign', { names: ['DNS:feature-server'] });
  it.each([
    ['without a certificate', { SIDEBOARD_REDIS_TLS_CA_FILE: authority.certFile }],
    [
      'with one of another authority',
      {
        SIDEBOARD_REDIS_TLS_CA_FILE: authority.certFile,
        SIDEBOARD_REDIS_TLS_CERT_FILE: foreign.certFile,
        SIDEBOARD_REDIS_TLS_KEY_FILE: foreign.keyFile,
      },
    ],
    [
      'to a server of another authority',
      {
        SIDEBOARD_REDIS_TLS_CA_FILE: stranger.certFile,
        SIDEBOARD_REDIS_TLS_CERT_FILE: client.certFile,
        SIDEBOARD_REDIS_TLS_KEY_FILE: client.keyFile,
      },
    ],
  ])('%s is refused', async (_, env) => {
    const { store, stop } = await openMutual(env);
    try {
      await expect(store.ping(soon(3_000))).rejects.toMatchObject({
        code: expect.stringMatching(/ONLINE_STORE_UNAVAILABLE|DEADLINE_EXCEEDED/) as unknown,
      });
      expect(await store.check()).toMatchObject([{ level: 'error' }]);
    } finally {
      await store.close();
      await stop();
    }
  });
});
