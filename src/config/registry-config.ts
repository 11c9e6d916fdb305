import { resolve } from 'node:path';
import type { RegistryConfig } from './config.ts';
import type { ProblemList } from './configuration-error.ts';
import { readBlock, registrySchema } from './feast-schema.ts';
import { readRegistryPlace } from './read-registry-place.ts';
import type { RegistryPlace } from './registry-place.ts';
import type { SettingValues } from './settings.ts';

/** The `registry` value: a path, or a block. `undefined` when it is wrong; `problems` says why. */
export function readRegistry(
  value: unknown,
  context: {
    readonly repoPath: string;
    readonly values: SettingValues;
    readonly env: Readonly<Record<string, string | undefined>>;
    readonly enforcesPermissions: boolean;
  },
  problems: ProblemList,
): RegistryConfig | undefined {
  const { repoPath, values } = context;
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
  const place = readRegistryPlace(block, { ...context, pathPlace }, problems);
  if (place === undefined || problems.problems.length > before) return undefined;
  return {
    ...place,
    cacheTtlSeconds: block.cache_ttl_seconds,
    pollIntervalMs: values.registry_poll_ms,
    timeoutMs: values.registry_timeout_ms,
    copyPath: copyPathOf(values.registry_copy, place, repoPath),
    versioningEnabled: block.enable_online_feature_view_versioning,
  };
}

function copyPathOf(setting: string, place: RegistryPlace, repoPath: string): string | undefined {
  if (setting === 'none') return undefined;
  if (setting !== 'beside') return resolve(repoPath, setting);
  return place.kind === 'file'
    ? `${place.path}.last-good`
    : resolve(repoPath, 'data/registry.last-good');
}
