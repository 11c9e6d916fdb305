import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/load-config.ts';
import { startServer } from '../../src/server.ts';
import { scenarioFile, type GoldenVariant } from './golden-vectors.ts';
import { adminClient } from './redis-server.ts';

/** A server that serves one recorded repository from the recorded store. */
export interface GoldenServer {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Makes a feature repository of the recorded files, fills the store with the recorded rows and starts a server on it.
 *
 * @param redisPort of an empty Redis that this variant may fill; unused for SQLite
 * @throws SideboardError INVALID_CONFIGURATION where the variant is configured for what is not served
 */
export async function startGoldenServer(
  { scenario, variant, store }: GoldenVariant,
  redisPort: number,
): Promise<GoldenServer> {
  const repoPath = mkdtempSync(join(tmpdir(), 'sideboard-golden-'));
  const remove = (): void => rmSync(repoPath, { recursive: true, force: true });
  try {
    const yaml = readFileSync(scenarioFile(scenario, `feature_store.${variant}.yaml`), 'utf8');
    writeFileSync(
      join(repoPath, 'feature_store.yaml'),
      yaml.replace('127.0.0.1:6379', `127.0.0.1:${redisPort}`),
    );
    copyFileSync(scenarioFile(scenario, `registry.${variant}.db`), join(repoPath, 'registry.db'));
    const config = loadConfig({
      repoPath,
      overrides: { port: 0, admin_port: 0, log_level: 'silent' },
      env: {},
    });
    if (store === 'sqlite') {
      copyFileSync(scenarioFile(scenario, `online.${variant}.db`), join(repoPath, 'online.db'));
    } else {
      await loadRedisDump(scenarioFile(scenario, `redis_dump.${variant}.jsonl`), redisPort);
    }
    const server = await startServer(config);
    return {
      port: server.address.port,
      close: async () => {
        await server.close();
        remove();
      },
    };
  } catch (error) {
    remove();
    throw error;
  }
}

/** A key of a Redis dump. */
interface DumpedKey {
  readonly key_b64: string;
  readonly type: string;
  readonly fields?: readonly { readonly field_b64: string; readonly value_b64: string }[];
  readonly value_b64?: string;
}

/** Replaces what Redis holds by the keys of a dump. Their TTLs are not restored: no vector outlives one. */
async function loadRedisDump(path: string, port: number): Promise<void> {
  const client = adminClient(port);
  try {
    await client.connect();
    await client.flushall();
    for (const line of readFileSync(path, 'utf8').split('\n')) {
      if (line === '') continue;
      const dumped = JSON.parse(line) as DumpedKey;
      const key = Buffer.from(dumped.key_b64, 'base64');
      if (dumped.type === 'hash') {
        const fields = (dumped.fields ?? []).flatMap(({ field_b64, value_b64 }) => [
          Buffer.from(field_b64, 'base64'),
          Buffer.from(value_b64, 'base64'),
        ]);
        await client.hset(key, ...fields);
      } else if (dumped.type === 'string') {
        await client.set(key, Buffer.from(dumped.value_b64 ?? '', 'base64'));
      } else {
        throw new Error(`a dump has a key of type ${dumped.type}`);
      }
    }
  } finally {
    client.disconnect();
  }
}
