import type { RegistrySnapshot, ViewDefinition } from './registry-model.ts';
import type { Work } from './run-in-slices.ts';
import { DUMMY_ENTITY } from './view-definition.ts';

/** The four bytes that Redis keeps a feature under. */
export type HashFeatureField = (storedViewName: string, featureName: string) => Uint8Array;

/**
 * Finds what would make answers fail although the registry can be read: views of unknown entities, and services of unknown
 * views, features or versions. Yields after each object.
 *
 * @returns one sentence per problem, in registry order; features of one service or view are named together
 */
export function* findReferenceProblems(snapshot: RegistrySnapshot): Work<string[]> {
  const problems: string[] = [];
  for (const view of snapshot.views.values()) {
    for (const name of view.entityNames) {
      if (name === DUMMY_ENTITY || snapshot.entities.has(name)) continue;
      problems.push(
        `feature view ${view.name} names entity ${name}, which project ${snapshot.project} does not have; apply the repository again`,
      );
    }
    yield;
  }
  for (const service of snapshot.featureServices.values()) {
    for (const { viewName, versionTag, featureNames } of service.projections) {
      const problem = problemOfProjection(snapshot, { viewName, versionTag, featureNames });
      if (problem !== undefined) problems.push(`feature service ${service.name} ${problem}`);
    }
    yield;
  }
  return problems;
}

function problemOfProjection(
  snapshot: RegistrySnapshot,
  {
    viewName,
    versionTag,
    featureNames,
  }: {
    viewName: string;
    versionTag: number | undefined;
    featureNames: readonly string[];
  },
): string | undefined {
  const current = snapshot.views.get(viewName);
  if (current === undefined) return `uses feature view ${viewName}, which does not exist`;
  if (versionTag !== undefined && !snapshot.versioningEnabled) {
    return `pins version ${versionTag} of ${viewName}, and registry.enable_online_feature_view_versioning is off`;
  }
  const view =
    versionTag === undefined ? current : snapshot.viewVersions.get(viewName)?.get(versionTag);
  if (view === undefined) return `pins version ${versionTag} of ${viewName}, which does not exist`;
  const unknown = featureNames.filter((name) => !view.featuresByName.has(name));
  return unknown.length === 0
    ? undefined
    : `uses features that ${viewName} does not have: ${unknown.join(', ')}`;
}

/**
 * Whether the features of both are stored under the same names, so that collisions need not be searched again. Yields
 * after each view.
 */
export function* hasSameStoredFields(
  left: RegistrySnapshot,
  right: RegistrySnapshot,
): Work<boolean> {
  if (left.views.size !== right.views.size || left.versioningEnabled !== right.versioningEnabled) {
    return false;
  }
  for (const [name, versions] of left.viewVersions) {
    yield;
    const others = right.viewVersions.get(name);
    if (others?.size !== versions.size) return false;
    for (const [number, view] of versions) {
      const other = others.get(number);
      if (other === undefined || (other !== view && !isStoredAlike(view, other))) return false;
    }
  }
  return true;
}

function isStoredAlike(left: ViewDefinition, right: ViewDefinition): boolean {
  const same = (
    ours: readonly { readonly name: string }[],
    theirs: readonly { readonly name: string }[],
  ): boolean =>
    ours === theirs ||
    (ours.length === theirs.length &&
      ours.every(({ name }, index) => name === theirs[index]?.name));
  return (
    left.kind === right.kind &&
    left.online === right.online &&
    same(left.features, right.features) &&
    same(left.joinKeys, right.joinKeys)
  );
}

/** A view under the name that its rows are kept under. */
interface StoredView {
  readonly storedName: string;
  readonly view: ViewDefinition;
}

/** What is taken is kept in so many maps: a large map that grows holds everybody up. */
const SHARDS = 256;

/**
 * Finds features that overwrite each other: views with the same join keys share the hashes of Redis, and two of their
 * features may have the same murmur3. Yields after each view.
 *
 * @returns one sentence per pair
 */
export function* findCollisions(
  snapshot: RegistrySnapshot,
  hashFeatureField: HashFeatureField,
): Work<string[]> {
  const problems: string[] = [];
  /** By join keys, then by part of the field: field → the view that has it. */
  const shardsByJoinKeys = new Map<string, (Map<number, StoredView> | undefined)[]>();
  for (const [viewName, versions] of snapshot.viewVersions) {
    for (const [number, view] of versions) {
      if (view.kind === 'on_demand_feature_view' && !view.online) continue;
      const isVersioned = snapshot.versioningEnabled && number > 0;
      const stored = { storedName: isVersioned ? `${viewName}_v${number}` : viewName, view };
      const joinKeys = JSON.stringify(view.joinKeys.map(({ name }) => name).sort());
      let shards = shardsByJoinKeys.get(joinKeys);
      if (shards === undefined) {
        shards = Array.from({ length: SHARDS });
        shardsByJoinKeys.set(joinKeys, shards);
      }
      for (const { name } of view.features) {
        const field = toNumber(hashFeatureField(stored.storedName, name));
        const taken = (shards[field & (SHARDS - 1)] ??= new Map());
        const other = taken.get(field);
        if (other === undefined) taken.set(field, stored);
        else {
          const reference = `${stored.storedName}:${name}`;
          const otherReference = referenceWith(field, other, hashFeatureField);
          if (otherReference === reference) continue;
          problems.push(
            `features ${otherReference} and ${reference} share a field of their hash in Redis, so that each overwrites the other; rename one`,
          );
        }
      }
      yield;
    }
  }
  return problems;
}

/** The first feature of a view that has the field. */
function referenceWith(
  field: number,
  { storedName, view }: StoredView,
  hashFeatureField: HashFeatureField,
): string {
  const feature = view.features.find(
    ({ name }) => toNumber(hashFeatureField(storedName, name)) === field,
  );
  return `${storedName}:${feature!.name}`;
}

/** A signed number, which V8 keeps without an object. */
function toNumber(field: Uint8Array): number {
  return field[0]! | (field[1]! << 8) | (field[2]! << 16) | (field[3]! << 24);
}
