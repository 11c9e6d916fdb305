import { Buffer } from 'node:buffer';
import { hashFeatureField, timestampField } from '../feast-encoding/hash-field.ts';
import { sortJoinKeys } from '../feast-encoding/entity-key.ts';
import type { RegistrySnapshot } from '../registry/registry-model.ts';
import { storedViewName } from './stored-field-names.ts';

/** A read that the registry lets expect of one entity: the fields of its `HMGET`. */
export interface EntityRead {
  /** `feature service fraud_v1`, `feature view stats`, `all features`. */
  readonly name: string;
  readonly fields: readonly Uint8Array[];
  readonly featureCount: number;
}

/**
 * What is read of an entity: the part of each feature service that concerns it; without services all of its views
 * together and some alone, wide ones and those that lie far back in the hash, or in the registry. The widest first.
 *
 * @param joinKeys sorted.
 * @param storedFields of one of its hashes, in stored order; `undefined` where that order means nothing.
 */
export function entityReads(
  snapshot: RegistrySnapshot,
  joinKeys: readonly string[],
  storedFields: readonly { readonly name: Uint8Array }[] | undefined,
  limit: number,
): readonly EntityRead[] {
  const isOfEntity = (viewName: string): boolean => {
    const view = snapshot.views.get(viewName);
    return (
      view !== undefined &&
      view.kind !== 'on_demand_feature_view' &&
      sortJoinKeys(view.joinKeys.map(({ name }) => name)).join('\0') === joinKeys.join('\0')
    );
  };
  const reads = [...snapshot.featureServices.values()].map(({ name, projections }) =>
    readOf(
      snapshot,
      `feature service ${name}`,
      projections
        .filter(({ viewName }) => isOfEntity(viewName))
        .map(({ viewName, featureNames, versionTag }) => ({ viewName, featureNames, versionTag })),
    ),
  );
  const wanted = reads.filter(({ featureCount }) => featureCount > 0);
  if (wanted.length === 0) {
    const views = [...snapshot.views.values()]
      .filter(({ name }) => isOfEntity(name))
      .map(({ name, features }) => ({
        viewName: name,
        featureNames: features.map((feature) => feature.name),
        versionTag: undefined,
      }));
    const placeOf = new Map(storedFields?.map(({ name }, place) => [hex(name), place]));
    const alone = views
      .map((view) => readOf(snapshot, `feature view ${view.viewName}`, [view]))
      .map((read, i) => {
        const place = storedFields === undefined ? i : placeOf.get(hex(read.fields.at(-1)!));
        return { read, place: place ?? 0 };
      })
      .sort((a, b) => b.read.featureCount - a.read.featureCount || b.place - a.place);
    if (views.length > 1) wanted.push(readOf(snapshot, 'all features', views));
    wanted.push(...alone.slice(0, Math.max(1, limit - 1)).map(({ read }) => read));
  }
  return wanted.sort((a, b) => b.featureCount - a.featureCount).slice(0, limit);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** Part of a view that is read. */
interface ViewPart {
  readonly viewName: string;
  readonly featureNames: readonly string[];
  readonly versionTag: number | undefined;
}

function readOf(snapshot: RegistrySnapshot, name: string, parts: readonly ViewPart[]): EntityRead {
  const fields = parts.flatMap(({ viewName, featureNames, versionTag }) => {
    const version = versionTag ?? snapshot.views.get(viewName)?.versionNumber ?? 0;
    const storedName = storedViewName(snapshot, viewName, version);
    return [
      ...featureNames.map((feature) => hashFeatureField(storedName, feature)),
      timestampField(storedName),
    ];
  });
  return { name, fields, featureCount: fields.length - parts.length };
}
