import type { OnlineStore, PreparedRead } from '../online-store/online-store.ts';
import type { RegistryDefinitions } from '../registry/registry-model.ts';
import { sortJoinKeys } from '../feast-encoding/entity-key.ts';
import type { CompiledGroups } from './compile-groups.ts';
import { DUMMY_JOIN_KEY } from './entity-columns.ts';
import type { ResolvedSelection } from './resolve-selection.ts';
import type { Selection } from './retrieval-request.ts';

/**
 * How the precomputed vectors of a feature service are read (Feast: `precompute_online`). A vector stands in the entity's
 * row, as feature `vector` of the view `__precomputed__{service}`: a `feast.core.PrecomputedFeatureVector` in a bytes value,
 * with all features of the service and the event timestamps that they are of.
 */
export interface VectorPlan {
  readonly serviceName: string;
  /** Cells: the vector, its own event timestamp, then the event timestamp of each view of the plan's only group. */
  readonly prepared: PreparedRead;
  /** `view__feature` → cell of the group. */
  readonly cellOfName: ReadonlyMap<string, number>;
  /** Names of the group's views in vectors; a view that a service renames has two. */
  readonly viewNames: readonly { readonly name: Uint8Array; readonly view: number }[];
  /** What reads have found so far. */
  readonly experience: VectorExperience;
}

/** Vectors mostly look alike, and mostly all or none of a service are of any use. */
export interface VectorExperience {
  /** The encoded names of the last vector, and per name the cell that it stands for; -1 = none. */
  header: Uint8Array;
  cellOfIndex: Int32Array;
  /** Reads in a row that found no vector of use. */
  uselessCount: number;
  /** Reads still to do without looking for vectors. */
  restCount: number;
}

/** Cells of `VectorPlan.prepared`. */
export const VECTOR_CELL = 0;
export const FIRST_TIMESTAMP_CELL = 2;

/** A vector and the timestamps to judge it by are no fewer fields than so few features. */
const MIN_FEATURES = 3;

/**
 * Plans to read the vectors of a selection; `undefined` = it has none that could be told right from wrong: it is no service
 * that Feast precomputes, reads several entities, or has versions of views.
 */
export function compileVectorPlan(
  selection: Selection,
  { views, features }: ResolvedSelection,
  { groups, cells }: CompiledGroups,
  { snapshot, store }: { readonly snapshot: RegistryDefinitions; readonly store: OnlineStore },
): VectorPlan | undefined {
  const service = snapshot.featureServices.get(selection.featureService ?? '');
  const [group] = groups;
  if (
    service?.precomputeOnline !== true ||
    store.readsUnknownViews !== true ||
    snapshot.versioningEnabled ||
    group === undefined ||
    groups.length > 1 ||
    group.fallbackKey !== undefined ||
    features.length < MIN_FEATURES
  ) {
    return undefined;
  }
  const viewNames = new Map<string, number>();
  const cellOfName = new Map<string, number>();
  for (const [index, { view, featureName }] of features.entries()) {
    const { nameToUse, definition } = views[view]!;
    const place = cells[index]!;
    cellOfName.set(`${nameToUse}__${featureName}`, place.cell);
    viewNames.set(nameToUse, place.view);
    if (!viewNames.has(definition.name)) viewNames.set(definition.name, place.view);
  }
  const joinKeys = sortJoinKeys(views[0]!.definition.joinKeys.map(({ name }) => name));
  const prepared = store.prepare({
    project: snapshot.project,
    joinKeys: joinKeys.length === 0 ? [DUMMY_JOIN_KEY] : joinKeys,
    views: [
      { storedName: `__precomputed__${service.name}`, featureNames: ['vector'] },
      ...group.views.map(({ name }) => ({ storedName: name, featureNames: [] })),
    ],
  });
  return {
    serviceName: service.name,
    prepared,
    cellOfName,
    viewNames: [...viewNames].map(([name, view]) => ({
      name: new TextEncoder().encode(name),
      view,
    })),
    experience: {
      header: new Uint8Array(0),
      cellOfIndex: new Int32Array(0),
      uselessCount: 0,
      restCount: 0,
    },
  };
}
