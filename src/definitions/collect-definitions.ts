import { invalidDefinition } from './definition-error.ts';
import {
  DEFINITION,
  type Definition,
  type Entity,
  type FeatureService,
  type FeatureViewData,
  type FeatureViewProjectionData,
  type FileSource,
  type OnDemandFeatureViewData,
  type PushSource,
  type RequestSource,
  describeDefinition,
} from './definition.ts';

/** A definition and where its author wrote it, for messages: `features.ts`. */
export interface FoundDefinition {
  readonly definition: Definition;
  readonly place: string;
}

/** All objects of a feature repository, each once, in the order in which they were found. */
export interface DefinitionSet {
  readonly entities: readonly Entity[];
  readonly sources: readonly (FileSource | PushSource | RequestSource)[];
  readonly featureViews: readonly FeatureViewData[];
  readonly onDemandFeatureViews: readonly OnDemandFeatureViewData[];
  readonly featureServices: readonly FeatureService[];
  /** Name of an on-demand view → what tells one state of its TypeScript function from another. */
  readonly functionHashes: ReadonlyMap<string, string>;
}

/**
 * Gathers what was exported and what those objects refer to, and checks what can only be seen of all of them together.
 *
 * @param hashOf the hash of a place, with what it imports.
 * @throws SideboardError INVALID_DEFINITION when two objects claim one name
 */
export function collectDefinitions(
  found: readonly FoundDefinition[],
  hashOf: (place: string) => string = () => '',
): DefinitionSet {
  const places = new Map<string, FoundDefinition>();
  const set = {
    entities: [] as Entity[],
    sources: [] as (FileSource | PushSource | RequestSource)[],
    featureViews: [] as FeatureViewData[],
    onDemandFeatureViews: [] as OnDemandFeatureViewData[],
    featureServices: [] as FeatureService[],
    functionHashes: new Map<string, string>(),
  };
  const pending = [...found];
  for (let next = pending.shift(); next !== undefined; next = pending.shift()) {
    if (!claimName(places, next)) continue;
    const { definition: added, place } = next;
    addTo(set, added);
    if (added[DEFINITION] === 'on_demand_feature_view' && added.compute !== undefined) {
      set.functionHashes.set(added.name, hashOf(place));
    }
    for (const definition of referencesOf(next.definition)) {
      pending.push({ definition, place: next.place });
    }
  }
  return set;
}

/** Views of all kinds share their names, and so do sources of all kinds; Feast compares both without regard to case. */
function nameSpaceOf(definition: Definition): string {
  switch (definition[DEFINITION]) {
    case 'entity':
      return `entity ${definition.name}`;
    case 'feature_service':
      return `feature service ${definition.name}`;
    case 'feature_view':
    case 'on_demand_feature_view':
      return `view ${definition.name.toLowerCase()}`;
    default:
      return `source ${definition.name.toLowerCase()}`;
  }
}

/** Whether the definition is seen for the first time. The same object may be exported, or referred to, many times. */
function claimName(places: Map<string, FoundDefinition>, next: FoundDefinition): boolean {
  const key = nameSpaceOf(next.definition);
  const first = places.get(key);
  if (first === undefined) {
    places.set(key, next);
    return true;
  }
  if (isSame(first.definition, next.definition)) return false;
  const other = describeDefinition(first.definition);
  const where =
    first.place === next.place ? `both in ${next.place}` : `in ${first.place} and ${next.place}`;
  const isView = key.startsWith('view ');
  throw invalidDefinition(
    describeDefinition(next.definition),
    `the name is taken by ${other} (${where})`,
    isView || key.startsWith('source ')
      ? 'rename one; upper and lower case do not tell them apart'
      : 'rename one, or define it once and import it',
  );
}

/** Projections carry the data of their view, which is another object than the view with its methods. */
function isSame(a: Definition, b: Definition): boolean {
  if (a === b) return true;
  if (a[DEFINITION] === 'feature_view' && b[DEFINITION] === 'feature_view') {
    return a.features === b.features;
  }
  if (a[DEFINITION] === 'on_demand_feature_view' && b[DEFINITION] === 'on_demand_feature_view') {
    return a.features === b.features;
  }
  return false;
}

type Lists = Omit<DefinitionSet, 'functionHashes'>;
type MutableSet = { -readonly [K in keyof Lists]: Lists[K][number][] };

function addTo(set: MutableSet, definition: Definition): void {
  switch (definition[DEFINITION]) {
    case 'entity':
      set.entities.push(definition);
      break;
    case 'feature_view':
      set.featureViews.push(definition);
      break;
    case 'on_demand_feature_view':
      set.onDemandFeatureViews.push(definition);
      break;
    case 'feature_service':
      set.featureServices.push(definition);
      break;
    default:
      set.sources.push(definition);
  }
}

function referencesOf(definition: Definition): readonly Definition[] {
  switch (definition[DEFINITION]) {
    case 'push_source':
      return [definition.batchSource];
    case 'feature_view':
      return [...definition.entities, definition.source];
    case 'on_demand_feature_view':
      return [...definition.entities, ...definition.sources.map(viewOrRequest)];
    case 'feature_service':
      return definition.projections.map((projection) => projection.view);
    default:
      return [];
  }
}

function viewOrRequest(source: FeatureViewProjectionData | RequestSource): Definition {
  return source[DEFINITION] === 'projection' ? source.view : source;
}
