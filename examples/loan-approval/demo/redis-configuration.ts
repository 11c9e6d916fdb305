import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SideboardError } from '../../../src/errors.ts';

/** What a URL's scheme says of the store. */
const KINDS: Readonly<Record<string, { readonly cluster: boolean; readonly tls: boolean }>> = {
  redis: { cluster: false, tls: false },
  rediss: { cluster: false, tls: true },
  'redis-cluster': { cluster: true, tls: false },
  'rediss-cluster': { cluster: true, tls: true },
};

/**
 * Writes a `feature_store.yaml` that keeps the same repository in Redis, with a registry of its own.
 *
 * @param url `redis://[user:password@]host:port`; several hosts separated by commas, or `redis-cluster://`, for a cluster
 * @returns the path of the file
 * @throws SideboardError INVALID_CONFIGURATION when the URL is not one of these
 */
export async function writeRedisConfiguration(folder: string, url: string): Promise<string> {
  const match =
    /^(?<scheme>[a-z-]+):\/\/(?:(?<user>[^:@]*):(?<password>[^@]*)@)?(?<hosts>[^/@]+)\/?$/.exec(
      url,
    );
  const parts = match?.groups;
  const kind = KINDS[parts?.['scheme'] ?? ''];
  if (parts === undefined || kind === undefined) {
    throw new SideboardError(
      'INVALID_CONFIGURATION',
      '--redis is no Redis URL; write redis://host:port or redis-cluster://host:port,host:port',
    );
  }
  const hosts = (parts['hosts'] ?? '').split(',');
  const pieces = hosts.map((host) => (/:\d+$/.test(host) ? host : `${host}:6379`));
  if (parts['user']) pieces.push(`username=${decodeURIComponent(parts['user'])}`);
  if (parts['password']) pieces.push(`password=${decodeURIComponent(parts['password'])}`);
  if (kind.tls) pieces.push('ssl=true');
  const isCluster = kind.cluster || hosts.length > 1;
  const yaml = `# Written by the demo.
project: loan_approval
provider: local
registry: data/registry.redis.db
online_store:
  type: redis
  redis_type: ${isCluster ? 'redis_cluster' : 'redis'}
  connection_string: ${JSON.stringify(pieces.join(','))}
entity_key_serialization_version: 3
`;
  await mkdir(folder, { recursive: true });
  const path = join(folder, 'feature_store.redis.yaml');
  await writeFile(path, yaml, { mode: 0o600 });
  // The URL may hold a password, and an older file keeps its mode.
  await chmod(path, 0o600);
  return path;
}
