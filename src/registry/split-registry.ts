import { fromBinary } from '@bufbuild/protobuf';
import { TimestampSchema } from '@bufbuild/protobuf/wkt';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import type { ViewKind } from './registry-model.ts';
import type { Work } from './run-in-slices.ts';

/** A registry file cut into its objects, still encoded; all arrays in file order, all bytes views into the file. */
export interface SplitRegistry {
  readonly versionId: string;
  /** Milliseconds since the epoch. */
  readonly lastUpdatedMs: number;
  readonly entities: readonly Uint8Array[];
  readonly views: Readonly<Record<ViewKind, readonly Uint8Array[]>>;
  readonly services: readonly Uint8Array[];
  readonly permissions: readonly Uint8Array[];
  readonly projects: readonly Uint8Array[];
  readonly projectMetadata: readonly Uint8Array[];
  /** Records of the version history. */
  readonly history: readonly Uint8Array[];
}

/** Field numbers of `feast.core.Registry`. */
const FIELD = {
  entities: 1,
  versionId: 4,
  lastUpdated: 5,
  featureViews: 6,
  featureServices: 7,
  onDemandFeatureViews: 8,
  streamFeatureViews: 14,
  projectMetadata: 15,
  permissions: 16,
  projects: 17,
  history: 18,
  labelViews: 19,
} as const;

/** `FeatureViewVersionHistory.records`. */
const HISTORY_RECORDS = 1;

/**
 * Cuts a serialized `feast.core.Registry` into its objects without decoding them, so that they can be decoded one at a
 * time. Fields that are not needed, known or not, are skipped. Yields after each.
 *
 * @throws Error for bytes that are no protobuf message, such as a file cut inside an object
 */
export function* splitRegistry(bytes: Uint8Array): Work<SplitRegistry> {
  const fields = new Map<number, Uint8Array[]>();
  yield* collectFields(bytes, fields);
  const all = (field: number): readonly Uint8Array[] => fields.get(field) ?? [];
  const history = new Map<number, Uint8Array[]>();
  for (const part of all(FIELD.history)) yield* collectFields(part, history);
  const versionId = all(FIELD.versionId).at(-1);
  const lastUpdated = all(FIELD.lastUpdated).at(-1);
  return {
    versionId: versionId === undefined ? '' : new TextDecoder().decode(versionId),
    lastUpdatedMs: lastUpdated === undefined ? 0 : readTimestampMs(lastUpdated),
    entities: all(FIELD.entities),
    views: {
      feature_view: all(FIELD.featureViews),
      stream_feature_view: all(FIELD.streamFeatureViews),
      on_demand_feature_view: all(FIELD.onDemandFeatureViews),
      label_view: all(FIELD.labelViews),
    },
    services: all(FIELD.featureServices),
    permissions: all(FIELD.permissions),
    projects: all(FIELD.projects),
    projectMetadata: all(FIELD.projectMetadata),
    history: history.get(HISTORY_RECORDS) ?? [],
  };
}

/** Adds every length-delimited field of a message to `fields`, by number. */
function* collectFields(bytes: Uint8Array, fields: Map<number, Uint8Array[]>): Work<void> {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    yield;
    const [field, wireType] = reader.tag();
    if (wireType !== WireType.LengthDelimited) {
      reader.skip(wireType, field);
      continue;
    }
    const content = reader.bytes();
    const list = fields.get(field);
    if (list === undefined) fields.set(field, [content]);
    else list.push(content);
  }
}

function readTimestampMs(bytes: Uint8Array): number {
  const { seconds, nanos } = fromBinary(TimestampSchema, bytes);
  return Number(seconds) * 1000 + Math.trunc(nanos / 1e6);
}
