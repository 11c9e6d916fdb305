import type { Config } from '../config/config.ts';
import { SideboardError } from '../errors.ts';
import type { RegistrySnapshot } from '../registry/registry-model.ts';

/**
 * The registry of a configuration as it is now.
 *
 * @throws SideboardError REGISTRY_UNAVAILABLE where there is none, or none that can be read.
 */
export async function readSnapshot(config: Config): Promise<RegistrySnapshot> {
  const { readRegistryFile } = await import('../registry/registry-file.ts');
  const { buildRegistrySnapshot } = await import('../registry/registry-snapshot.ts');
  const { path, versioningEnabled } = config.registry;
  const registry = await readRegistryFile(path);
  if (registry === undefined) {
    throw new SideboardError(
      'REGISTRY_UNAVAILABLE',
      `there is no registry at ${path}; write it with: sideboard apply`,
    );
  }
  return buildRegistrySnapshot(registry, { project: config.project, versioningEnabled });
}
