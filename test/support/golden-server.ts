import { readFileSync } from 'node:fs';
import { scenarioFile, type GoldenVariant } from './golden-vectors.ts';
import { adminClient } from './redis-server.ts';
import { startRepositoryServer, type RepositoryServer } from './repository-server.ts';

/**
 * Makes a feature repository of the recorded files, fills the store with the recorded rows and starts a server on it.
 *
 * @param redisPort of a Redis that this variant may overwrite; unused for SQLite
 * @param settings of the block `sideboard:`
 * @param moreYaml to be appended to `feature_store.yaml`
 * @throws SideboardError INVALID_CONFIGURATION where the variant is configured for what is not served
 */
export async function startGoldenServer(
  { scenario, variant, store }: GoldenVariant,
  redisPort: number,
  settings: Readonly<Record<string, unknown>> = {},
  moreYaml = '',
): Promise<RepositoryServer> {
  const recorded = (name: string): Buffer => readFileSync(scenarioFile(scenario, name));
  const yaml = recorded(`feature_store.${variant}.yaml`).toString();
  const files: Record<string, Uint8Array> = { 'registry.db': recorded(`registry.${variant}.db`) };
  if (store === 'sqlite') files['online.db'] = recorded(`online.${variant}.db`);
  else await loadRedisDump(scenarioFile(scenario, `redis_dump.${variant}.jsonl`), redisPort);
  return startRepositoryServer(
    { yaml: yaml.replace('127.0.0.1:6379', `127.0.0.1:${redisPort}`) + moreYaml, files },
    settings,
  );
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
