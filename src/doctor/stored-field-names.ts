import { Buffer } from 'node:buffer';
import { hashFeatureField } from '../feast-encoding/hash-field.ts';
import type { RegistrySnapshot, ViewDefinition } from '../registry/registry-model.ts';

/** Whose a field of a Redis hash is. */
export interface StoredFieldName {
  /** Stored view name, with `_vN` for versions. */
  readonly view: string;
  readonly feature: string;
}

/** A view under the name that its rows are kept under. */
export interface StoredView {
  readonly storedName: string;
  readonly view: ViewDefinition;
}

/** Every version of every view that rows may be stored under. */
export function storedViews(snapshot: RegistrySnapshot): readonly StoredView[] {
  const views = new Map<string, ViewDefinition>();
  for (const [name, versions] of snapshot.viewVersions) {
    for (const [version, view] of versions) {
      views.set(storedViewName(snapshot, name, version), view);
    }
  }
  for (const view of snapshot.views.values()) {
    views.set(storedViewName(snapshot, view.name, view.versionNumber), view);
  }
  return [...views].map(([storedName, view]) => ({ storedName, view }));
}

/** Name that the rows of a view are kept under. */
export function storedViewName(
  { versioningEnabled }: RegistrySnapshot,
  name: string,
  version: number,
): string {
  return versioningEnabled && version > 0 ? `${name}_v${version}` : name;
}

/** Hashed field in hex -> whose it is, for all versions of all views. */
export function storedFieldNames(snapshot: RegistrySnapshot): ReadonlyMap<string, StoredFieldName> {
  const names = new Map<string, StoredFieldName>();
  for (const { storedName, view } of storedViews(snapshot)) {
    for (const { name } of view.features) {
      const field = Buffer.from(hashFeatureField(storedName, name)).toString('hex');
      names.set(field, { view: storedName, feature: name });
    }
  }
  return names;
}
