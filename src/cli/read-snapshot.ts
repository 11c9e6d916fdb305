import type { Config } from '../config/config.ts';
import type { RegistrySnapshot } from '../registry/registry-model.ts';

/**
 * The registry of a configuration as it is now.
 *
 * @throws SideboardError REGISTRY_UNAVAILABLE where there is none, or none that can be read.
 */
export async function readSnapshot(config: Config): Promise<RegistrySnapshot> {
  const { readRegistry } = await import('../registry/open-registry.ts');
  const { buildRegistrySnapshot } = await import('../registry/registry-snapshot.ts');
  const { versioningEnabled } = config.registry;
  const registry = await readRegistry(config.registry, config.project);
  return buildRegistrySnapshot(registry, { project: config.project, versioningEnabled });
}
