import { create, toBinary } from '@bufbuild/protobuf';
import {
  FeatureListSchema,
  GetOnlineFeaturesRequestSchema,
} from '../../gen/feast/serving/ServingService_pb.ts';
import { RepeatedValueSchema, ValueSchema } from '../../gen/feast/types/Value_pb.ts';

/**
 * The layout of Feast's published benchmarks: views of ten Int64 features each, all of one int64 entity. With 25 views
 * one Redis hash holds 250 values and 25 event timestamps.
 */
export const FEATURES_PER_VIEW = 10;
/** Views of the published layout. */
export const OFFICIAL_VIEWS = 25;
export const PROJECT = 'bench';
export const JOIN_KEY = 'entity';
export const SERVING_PATH = '/feast.serving.ServingService/GetOnlineFeatures';

/** Name of view number `view`. */
export function viewName(view: number): string {
  return `feature_view_${view}`;
}

/** Names of the features of view number `view`; numbered through all views. */
export function featureNames(view: number): string[] {
  return Array.from(
    { length: FEATURES_PER_VIEW },
    (_, i) => `feature_${view * FEATURES_PER_VIEW + i}`,
  );
}

/** What feature number `feature` of entity `id` holds: 1 to 10,000, the same in every run. */
export function storedValue(id: number, feature: number): bigint {
  return BigInt(1 + ((id * 7919 + feature * 104_729 + ((id * (feature + 1)) % 97) * 31) % 10_000));
}

/** References `view:feature` of the first `count` features from view number `firstView` on. */
export function references(count: number, firstView = 0): string[] {
  return Array.from({ length: count }, (_, i) => {
    const feature = firstView * FEATURES_PER_VIEW + i;
    return `${viewName(Math.floor(feature / FEATURES_PER_VIEW))}:feature_${feature}`;
  });
}

/** Distinct ids in 1..`entities` for request number `n`, the same in every run. */
export function entityIds(rows: number, n: number, entities: number): number[] {
  const ids = new Set<number>();
  let state = Math.imul(n + 1, 0x9e3779b1) >>> 0;
  while (ids.size < rows) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    ids.add(1 + ((state >>> 8) % entities));
  }
  return [...ids];
}

/** An encoded GetOnlineFeaturesRequest. */
export function encodeRequest(features: readonly string[], ids: readonly number[]): Uint8Array {
  const val = ids.map((id) =>
    create(ValueSchema, { val: { case: 'int64Val', value: BigInt(id) } }),
  );
  const request = create(GetOnlineFeaturesRequestSchema, {
    kind: { case: 'features', value: create(FeatureListSchema, { val: [...features] }) },
    entities: { [JOIN_KEY]: create(RepeatedValueSchema, { val }) },
  });
  return toBinary(GetOnlineFeaturesRequestSchema, request);
}

/** A gRPC message frame: not compressed, length, message. */
export function grpcFrame(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}
