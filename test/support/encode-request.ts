import { create, toBinary } from '@bufbuild/protobuf';
import { GetOnlineFeaturesRequestSchema } from '../../gen/feast/serving/ServingService_pb.ts';
import { RepeatedValueSchema, ValueSchema, type Value } from '../../gen/feast/types/Value_pb.ts';

/** A `Value` with this member set; `undefined` = none, a null. */
export function valueMessage(kind: string | undefined, value: unknown): Value {
  const val = { case: kind, value } as Value['val'];
  return kind === undefined ? create(ValueSchema) : create(ValueSchema, { val });
}

/** Encodes a request for feature references, a column of values per entity. */
export function encodeRequest(
  features: readonly string[],
  entities: Readonly<Record<string, readonly Value[]>>,
  { fullFeatureNames = false } = {},
): Uint8Array {
  const columns = Object.entries(entities).map(([name, val]) => [
    name,
    create(RepeatedValueSchema, { val: [...val] }),
  ]);
  const request = create(GetOnlineFeaturesRequestSchema, {
    kind: { case: 'features', value: { val: [...features] } },
    fullFeatureNames,
  });
  request.entities = Object.fromEntries(columns) as typeof request.entities;
  return toBinary(GetOnlineFeaturesRequestSchema, request);
}

/** The same question as Feast's JSON, each value already the text that stands for it. */
export function requestBody(
  features: readonly string[],
  entities: Readonly<Record<string, readonly string[]>>,
  { fullFeatureNames = false } = {},
): string {
  const columns = Object.entries(entities).map(
    ([name, texts]) => `${JSON.stringify(name)}:[${texts.join(',')}]`,
  );
  return `{"features":${JSON.stringify(features)},"entities":{${columns.join(',')}},"full_feature_names":${fullFeatureNames}}`;
}
