import { resolve } from 'node:path';
import type { RegistryConfig } from './config.ts';
import type { ProblemList } from './configuration-error.ts';
import { readBlock, registrySchema } from './feast-schema.ts';
import type { SettingValues } from './settings.ts';

const FILE_STORES = ['FileRegistryStore', 'feast.infra.registry.file.FileRegistryStore'];

/** The `registry` value: a path, or a block. `undefined` when it is wrong; `problems` says why. */
export function readRegistry(
  value: unknown,
  { repoPath, values }: { repoPath: string; values: SettingValues },
  problems: ProblemList,
): RegistryConfig | undefined {
  const before = problems.problems.length;
  const isPath = typeof value === 'string';
  const block = readBlock(
    registrySchema,
    isPath ? { path: value } : (value ?? { path: 'data/registry.db' }),
    { path: ['registry'], unknownKeys: 'warn' },
    problems,
  );
  if (block === undefined) return undefined;
  const pathPlace = isPath ? ['registry'] : ['registry', 'path'];
  if (block.registry_type !== 'file') {
    problems.addAt(['registry', 'registry_type'], refusedType(block.registry_type));
  } else if (
    block.registry_store_type != null &&
    !FILE_STORES.includes(block.registry_store_type)
  ) {
    problems.addAt(['registry', 'registry_store_type'], refusedStore(block.registry_store_type));
  } else {
    const refusal = refusedPath(block.path);
    if (refusal !== undefined) problems.addAt(pathPlace, refusal);
  }
  if (problems.problems.length > before) return undefined;
  const path = resolve(repoPath, block.path);
  return {
    kind: 'file',
    path,
    cacheTtlSeconds: block.cache_ttl_seconds,
    pollIntervalMs: values.registry_poll_ms,
    copyPath: copyPathOf(values.registry_copy, path, repoPath),
    versioningEnabled: block.enable_online_feature_view_versioning,
  };
}

function copyPathOf(setting: string, path: string, repoPath: string): string | undefined {
  if (setting === 'none') return undefined;
  return setting === 'beside' ? `${path}.last-good` : resolve(repoPath, setting);
}

const REMEDY = 'copy the registry to a local file and set registry.path to it';

function refusedType(type: string): string {
  return ['sql', 'remote', 'snowflake.registry'].includes(type)
    ? `registry_type ${type} is not supported yet, only file is; ${REMEDY}`
    : `unknown registry_type; only file is supported; ${REMEDY}`;
}

function refusedStore(store: string): string {
  return /^[\w.]+$/.test(store)
    ? `registry_store_type ${store} is not supported, only FileRegistryStore is; ${REMEDY}`
    : 'registry_store_type must be FileRegistryStore';
}

/** Why a path cannot be opened as a file; the path itself may hold credentials and is not repeated. */
function refusedPath(path: string): string | undefined {
  if (path === '') return 'registry.path is missing; set it to the path of the registry file';
  const scheme = /^([a-z][a-z\d+.-]*):\/\//i.exec(path)?.[1]?.toLowerCase();
  if (scheme === undefined) return undefined;
  if (scheme === 'file') {
    return 'registry paths are plain paths: Feast reads file:// as a relative directory; leave the scheme out';
  }
  return `registries at ${scheme}:// are not supported yet, only local files are; ${REMEDY}`;
}
