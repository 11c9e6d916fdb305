import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { type Registry, RegistrySchema } from '../../gen/feast/core/Registry_pb.ts';
import type { Config } from '../config/config.ts';
import {
  changeRegistry,
  type ObjectChange,
  type RegistryChanges,
} from '../definitions/change-registry.ts';
import type { DefinitionSet } from '../definitions/collect-definitions.ts';
import { DEFINITION } from '../definitions/definition.ts';
import type { KeptObject } from '../definitions/foreign-objects.ts';
import { loadFeatureRepository } from '../definitions/load-feature-repository.ts';
import { registryObjects } from '../definitions/registry-objects.ts';
import { noteSqliteTables, storedViewNames } from '../definitions/stored-views.ts';
import { registryReadOnly } from '../registry/open-registry.ts';
import { readRegistryFile, updateRegistryFile } from '../registry/registry-file.ts';

/** What `plan` and `apply` found and did. */
export interface ApplyReport {
  readonly project: string;
  /** Absolute path of the registry file. */
  readonly registryFile: string;
  /** Whether the registry and the online store now are as planned; `false` for a plan. */
  readonly applied: boolean;
  readonly changes: readonly ObjectChange[];
  /** Objects that only Feast's Python can define, and what they need; left as they are. */
  readonly kept: readonly KeptObject[];
  /** What deserves a second look but stops nothing, one sentence each. */
  readonly warnings: readonly string[];
}

/**
 * Brings the registry file and the online store in line with a feature repository, or says what that would change.
 *
 * @throws SideboardError INVALID_DEFINITION, REGISTRY_UNAVAILABLE, ONLINE_STORE_UNAVAILABLE
 */
export async function applyFeatureRepository(
  config: Config,
  { dryRun }: { readonly dryRun: boolean },
): Promise<ApplyReport> {
  const { definitions } = await loadFeatureRepository(config.repoPath);
  if (config.registry.kind !== 'file') throw registryReadOnly(config.registry.kind);
  const registryFile = config.registry.path;
  const outcome = dryRun
    ? changeCopy(config, definitions, await readRegistryFile(registryFile))
    : await changeFile(config, definitions, registryFile);
  return {
    project: config.project,
    registryFile,
    applied: !dryRun,
    ...outcome,
    warnings: missingFiles(config, definitions),
  };
}

function changeCopy(
  config: Config,
  definitions: DefinitionSet,
  registry: Registry | undefined,
): RegistryChanges {
  return change(config, definitions, registry ?? create(RegistrySchema)).outcome;
}

async function changeFile(
  config: Config,
  definitions: DefinitionSet,
  registryFile: string,
): Promise<RegistryChanges> {
  const { project } = config;
  const { openOnlineStore } = await import('../online-store/open-online-store.ts');
  await mkdir(dirname(registryFile), { recursive: true });
  let last: Changed | undefined;
  await updateRegistryFile(registryFile, (registry) => {
    last = change(config, definitions, registry);
    return last.changed;
  });
  if (last === undefined) throw new Error('the registry file was not read');
  // After the registry, so that no reader finds a view whose rows are gone. Also when nothing changed: a store that was
  // emptied, or an apply that died between the two, is put right by applying again.
  const store = await openOnlineStore(config.onlineStore);
  try {
    await store.update(project, last.keep, last.remove);
  } finally {
    await store.close();
  }
  return last.outcome;
}

/** A registry after `change`, and what the online store has to follow with. */
interface Changed {
  readonly outcome: RegistryChanges;
  readonly changed: boolean;
  readonly keep: readonly string[];
  readonly remove: readonly string[];
}

function change(config: Config, definitions: DefinitionSet, registry: Registry): Changed {
  const { project } = config;
  const { versioningEnabled } = config.registry;
  const before = storedViewNames(registry, project, versioningEnabled);
  const outcome = changeRegistry(registry, registryObjects(definitions, project), {
    project,
    nowMs: Date.now(),
    newId: randomUUID,
  });
  const keep = storedViewNames(registry, project, versioningEnabled);
  const remove = before.filter((name) => !keep.includes(name));
  const tablesChanged =
    config.onlineStore.kind === 'sqlite' &&
    noteSqliteTables(registry, { path: config.onlineStore.path, project, keep, remove });
  return { outcome, changed: outcome.changes.length > 0 || tablesChanged, keep, remove };
}

function missingFiles(config: Config, definitions: DefinitionSet): readonly string[] {
  return definitions.sources.flatMap((source) => {
    if (source[DEFINITION] !== 'file_source') return [];
    const isLocal = !/^[a-z][a-z0-9+.-]*:\/\//i.test(source.path) && !/[*?[]/.test(source.path);
    if (!isLocal || existsSync(resolve(config.repoPath, source.path))) return [];
    return [`file source "${source.name}": ${source.path} does not exist yet`];
  });
}
