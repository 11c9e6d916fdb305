import { fromBinary } from '@bufbuild/protobuf';
import { RegistrySchema } from '../../gen/feast/core/Registry_pb.ts';
import type { Registry } from '../../gen/feast/core/Registry_pb.ts';
import type { RegistryConfig } from '../config/config.ts';
import { SideboardError } from '../errors.ts';
import { createFileOrigin } from './file-origin.ts';
import { openKeptRegistry, registryUnavailable } from './kept-registry.ts';
import type { KeptRegistryOptions, NamedRegistrySource } from './kept-registry.ts';
import type { RegistryDatabase } from './registry-database.ts';
import type { RegistryOrigin } from './registry-origin.ts';
import { updateRegistryFile } from './registry-file.ts';

/**
 * Opens the registry of a configuration, wherever it is, and keeps what is served fresh, as `openKeptRegistry` does.
 *
 * @param origin where to read it instead
 * @throws SideboardError REGISTRY_UNAVAILABLE when there is nothing to start with
 */
export async function openRegistry(
  config: RegistryConfig,
  options: Pick<
    KeptRegistryOptions,
    'project' | 'hashFeatureField' | 'onSwap' | 'onWarning' | 'onFailure'
  >,
  origin?: RegistryOrigin,
): Promise<NamedRegistrySource> {
  return await openKeptRegistry(origin ?? (await createOrigin(config, options.project)), {
    ...config,
    ...options,
  });
}

/**
 * Reads the registry of a configuration once, wherever it is.
 *
 * @returns all projects of a file or an object; the one project of tables and servers.
 * @throws SideboardError REGISTRY_UNAVAILABLE when there is none, or none that can be read
 */
export async function readRegistry(config: RegistryConfig, project: string): Promise<Registry> {
  const origin = await createOrigin(config, project);
  try {
    const { bytes } = await origin.read(AbortSignal.timeout(config.timeoutMs));
    if (bytes.length === 0) throw new SideboardError('REGISTRY_UNAVAILABLE', 'it is empty');
    return fromBinary(RegistrySchema, bytes);
  } catch (error) {
    throw registryUnavailable(origin, error);
  } finally {
    await origin.close();
  }
}

/**
 * Changes the registry of a configuration, as `updateRegistryFile` does.
 *
 * @throws SideboardError UNSUPPORTED_OPERATION where it is no file.
 */
export async function updateRegistry(
  config: RegistryConfig,
  change: (registry: Registry) => boolean | void,
): Promise<Registry> {
  if (config.kind !== 'file') throw registryReadOnly(config.kind);
  return await updateRegistryFile(config.path, change);
}

/** Registries that only Feast writes. */
export function registryReadOnly(kind: string): SideboardError {
  return new SideboardError(
    'UNSUPPORTED_OPERATION',
    `a registry of kind ${kind} is read here and not written; change it with Feast: feast apply`,
  );
}

/**
 * The place of a registry. The libraries of a kind are loaded when it is used: a server with a registry file starts without
 * them.
 */
export async function createOrigin(
  config: RegistryConfig,
  project: string,
): Promise<RegistryOrigin> {
  switch (config.kind) {
    case 'file':
      return createFileOrigin(config.path);
    case 's3':
      return (await import('./s3-origin.ts')).createS3Origin(config);
    case 'gcs':
      return (await import('./gcs-origin.ts')).createGcsOrigin(config);
    case 'azure':
      return await (await import('./azure-origin.ts')).createAzureOrigin(config);
    case 'remote':
      return await (await import('./remote-origin.ts')).createRemoteOrigin(config, project);
    case 'sql': {
      const { createSqlOrigin } = await import('./sql-origin.ts');
      const { versioningEnabled } = config;
      return createSqlOrigin(await openDatabase(config), { project, versioningEnabled });
    }
  }
}

async function openDatabase({
  database,
  timeoutMs,
}: Extract<RegistryConfig, { readonly kind: 'sql' }>): Promise<RegistryDatabase> {
  switch (database.dialect) {
    case 'sqlite':
      return (await import('./sqlite-registry.ts')).openSqliteRegistry(database.path);
    case 'postgresql':
      return (await import('./postgres-registry.ts')).openPostgresRegistry(database, timeoutMs);
    case 'mysql':
      return (await import('./mysql-registry.ts')).openMysqlRegistry(database, timeoutMs);
  }
}
