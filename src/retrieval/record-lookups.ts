import type { RegistryDefinitions } from '../registry/registry-model.ts';

/** What was looked up in definitions, and what was found; keeps nothing else of them. */
export interface Lookups {
  /** How many names. */
  readonly count: number;
  /** Whether others give the very same: what was compiled from the ones is then right for the others. */
  holdFor(others: RegistryDefinitions): boolean;
}

/** Definitions that remember what is looked up in them, and what was not there. */
export function recordLookups(definitions: RegistryDefinitions): {
  readonly recorded: RegistryDefinitions;
  readonly lookups: Lookups;
} {
  const { project, versioningEnabled } = definitions;
  const [entities, entitiesFound] = record(definitions.entities);
  const [views, viewsFound] = record(definitions.views);
  const [viewVersions, versionsFound] = record(definitions.viewVersions);
  const [featureServices, servicesFound] = record(definitions.featureServices);
  return {
    recorded: { project, versioningEnabled, entities, views, viewVersions, featureServices },
    lookups: {
      get count() {
        return entitiesFound.count + viewsFound.count + versionsFound.count + servicesFound.count;
      },
      holdFor: (others) =>
        others.project === project &&
        others.versioningEnabled === versioningEnabled &&
        entitiesFound.isIn(others.entities) &&
        viewsFound.isIn(others.views) &&
        versionsFound.isIn(others.viewVersions) &&
        servicesFound.isIn(others.featureServices),
    },
  };
}

function record<V>(map: ReadonlyMap<string, V>): [ReadonlyMap<string, V>, Found<V>] {
  const found = new Found<V>();
  return [new RecordingMap(map, found), found];
}

/** What was found in a map. */
class Found<V> {
  readonly #byName = new Map<string, V | undefined>();
  /** The map itself, where somebody looked at all of it. */
  #whole: ReadonlyMap<string, V> | undefined;

  get count(): number {
    return this.#byName.size;
  }

  add(name: string, value: V | undefined): void {
    this.#byName.set(name, value);
  }

  addAll(map: ReadonlyMap<string, V>): void {
    this.#whole = map;
  }

  isIn(map: ReadonlyMap<string, V>): boolean {
    if (this.#whole !== undefined) return this.#whole === map;
    for (const [name, value] of this.#byName) if (map.get(name) !== value) return false;
    return true;
  }
}

class RecordingMap<V> implements ReadonlyMap<string, V> {
  readonly #map: ReadonlyMap<string, V>;
  readonly #found: Found<V>;

  constructor(map: ReadonlyMap<string, V>, found: Found<V>) {
    this.#map = map;
    this.#found = found;
  }

  get(name: string): V | undefined {
    const value = this.#map.get(name);
    this.#found.add(name, value);
    return value;
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  get size(): number {
    return this.#whole().size;
  }

  keys(): MapIterator<string> {
    return this.#whole().keys();
  }

  values(): MapIterator<V> {
    return this.#whole().values();
  }

  entries(): MapIterator<[string, V]> {
    return this.#whole().entries();
  }

  [Symbol.iterator](): MapIterator<[string, V]> {
    return this.#whole()[Symbol.iterator]();
  }

  forEach(callback: (value: V, name: string, map: ReadonlyMap<string, V>) => void): void {
    for (const [name, value] of this.#whole()) callback(value, name, this);
  }

  #whole(): ReadonlyMap<string, V> {
    this.#found.addAll(this.#map);
    return this.#map;
  }
}
