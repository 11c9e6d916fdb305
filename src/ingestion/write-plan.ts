import {
  compileEntityKeyPrefix,
  serializeEntityValue,
  sortJoinKeys,
} from '../feast-encoding/entity-key.ts';
import type { EntityKeyVersion } from '../feast-encoding/entity-key.ts';
import { ValueType, isEntityKeyType, valueTypeName } from '../feast-encoding/value-type.ts';
import type { ViewLayout } from '../online-store/online-store.ts';
import type {
  FieldDefinition,
  RegistrySnapshot,
  ViewDefinition,
} from '../registry/registry-model.ts';
import { DUMMY_JOIN_KEY } from './source-columns.ts';
import { compileValueEncoder } from './value-encoder.ts';
import type { ValueEncoder } from './value-encoder.ts';
import { invalidWrite } from './write-errors.ts';

/** A column that a frame has to have, under the first of these names that it has. */
export interface WrittenColumn {
  /** Name in the view. */
  readonly name: string;
  /** Name in the batch source, where the field mapping gives it another; it is as good. */
  readonly sourceName: string;
}

/** A join key or feature column and how its values are encoded. */
export interface EncodedColumn extends WrittenColumn {
  readonly valueType: number;
  readonly encoder: ValueEncoder;
}

/** A view compiled for writing: all there is to know of its definition, its project and whether versions are kept apart. */
export interface WritePlan {
  readonly viewName: string;
  readonly project: string;
  /** What is written, and under which name it is stored. */
  readonly layout: ViewLayout;
  /** All join keys, sorted as in the entity key; `__dummy_id` alone for a view without entities. */
  readonly joinKeyNames: readonly string[];
  /** Everything of an entity key before its first value; the whole key for a view without entities. */
  readonly keyPrefix: Uint8Array;
  /** In order of the entity key; empty for a view without entities. */
  readonly joinKeys: readonly EncodedColumn[];
  readonly features: readonly EncodedColumn[];
  /** Absent for on-demand views: their rows are as of now. */
  readonly eventTimestamp?: WrittenColumn;
  readonly createdTimestamp?: WrittenColumn;
  /** On-demand views take null for features that a frame does not have. */
  readonly takesMissingFeatures: boolean;
}

/** Where a view is written. */
export interface WriteContext {
  readonly snapshot: Pick<RegistrySnapshot, 'project' | 'versioningEnabled'>;
  readonly entityKeyVersion: EntityKeyVersion;
}

/**
 * Compiles a view for writing.
 *
 * @throws SideboardError INVALID_REQUEST where its definition names no event timestamp or a join key of a type that entity
 *   keys do not have.
 */
export function compileWritePlan(view: ViewDefinition, context: WriteContext): WritePlan {
  const { snapshot, entityKeyVersion } = context;
  const source = view.materialization?.batchSource;
  const sourceNames = new Map([...(source?.fieldMapping ?? [])].map(([from, to]) => [to, from]));
  const column = (name: string): WrittenColumn => ({
    name,
    sourceName: sourceNames.get(name) ?? name,
  });
  const encoded = ({ name, valueType }: FieldDefinition): EncodedColumn => ({
    ...column(name),
    valueType,
    encoder: compileValueEncoder(valueType),
  });
  const declared = view.joinKeys.filter(({ name }) => name !== DUMMY_JOIN_KEY);
  const joinKeyNames =
    declared.length === 0 ? [DUMMY_JOIN_KEY] : sortJoinKeys(declared.map(({ name }) => name));
  const isOnDemand = view.kind === 'on_demand_feature_view';
  if (!isOnDemand && (source === undefined || source.timestampField === '')) {
    throw invalidWrite(
      view.name,
      'its source names no timestamp_field, so rows have no event timestamp; set it and apply again',
    );
  }
  const isVersioned = snapshot.versioningEnabled && view.versionNumber > 0;
  return {
    viewName: view.name,
    project: snapshot.project,
    layout: {
      storedName: isVersioned ? `${view.name}_v${view.versionNumber}` : view.name,
      featureNames: view.features.map(({ name }) => name),
    },
    joinKeyNames,
    keyPrefix: compileKeyPrefix(joinKeyNames, entityKeyVersion),
    joinKeys: joinKeyNames.flatMap((name) => {
      const joinKey = declared.find((candidate) => candidate.name === name);
      return joinKey === undefined ? [] : [encoded(requireKeyType(view.name, joinKey))];
    }),
    features: view.features.map(encoded),
    ...(source === undefined || isOnDemand
      ? {}
      : { eventTimestamp: column(source.timestampField) }),
    ...(source === undefined || isOnDemand || source.createdTimestampField === ''
      ? {}
      : { createdTimestamp: column(source.createdTimestampField) }),
    takesMissingFeatures: isOnDemand,
  };
}

function compileKeyPrefix(joinKeyNames: readonly string[], version: EntityKeyVersion): Uint8Array {
  const prefix = compileEntityKeyPrefix(joinKeyNames, version);
  return joinKeyNames[0] === DUMMY_JOIN_KEY
    ? Buffer.concat([
        prefix,
        serializeEntityValue({ type: ValueType.STRING, value: '' }, DUMMY_JOIN_KEY),
      ])
    : prefix;
}

function requireKeyType(viewName: string, joinKey: FieldDefinition): FieldDefinition {
  if (isEntityKeyType(joinKey.valueType)) {
    return joinKey;
  }
  throw invalidWrite(
    viewName,
    `join key ${joinKey.name} is declared as ${valueTypeName(joinKey.valueType)}; entity keys hold STRING, BYTES, INT32, INT64 and UNIX_TIMESTAMP`,
  );
}
