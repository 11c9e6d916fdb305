import { toBinary } from '@bufbuild/protobuf';
import { TimestampSchema } from '@bufbuild/protobuf/wkt';
import {
  FieldStatusSchema,
  type GetOnlineFeaturesResponse,
} from '../../gen/feast/serving/ServingService_pb.ts';
import { ValueSchema } from '../../gen/feast/types/Value_pb.ts';
import type { JsonObject, JsonValue } from '../http/json-parser.ts';
import { jsonText } from '../http/json-text.ts';
import { timestampText } from '../http/json-timestamps.ts';
import { valueJson } from '../http/value-json.ts';

/** One output column; its arrays have one item per row. */
export interface AnswerColumn {
  readonly name: string;
  /** JSON texts. */
  readonly values: readonly string[];
  /** Names of `feast.serving.FieldStatus`. */
  readonly statuses: readonly string[];
  /** RFC 3339; the epoch where there is none. */
  readonly eventTimestamps: readonly string[];
}

/** A server's answer, whatever protocol it came by: one per output column. */
export type FeatureAnswer = readonly AnswerColumn[];

/** Whether nothing at all is stored of what was asked. @param entityNames columns that repeat the question */
export function isNothingStored(
  answer: FeatureAnswer,
  entityNames: ReadonlyMap<string, unknown>,
): boolean {
  const features = answer.filter(({ name }) => !entityNames.has(name));
  const statuses = features.flatMap((column) => column.statuses);
  return statuses.length > 0 && statuses.every((status) => status === 'NOT_FOUND');
}

/** An answer from its message (gRPC, Connect). */
export function answerOfMessage(response: GetOnlineFeaturesResponse): FeatureAnswer {
  const names = response.metadata?.featureNames?.val ?? [];
  return response.results.map((vector, column) => ({
    name: names[column] ?? '',
    values: vector.values.map(
      (value) => valueJson(toBinary(ValueSchema, value), 'string') ?? 'null',
    ),
    statuses: vector.statuses.map(
      (status) => FieldStatusSchema.value[status]?.name ?? String(status),
    ),
    eventTimestamps: vector.eventTimestamps.map(
      (timestamp) => timestampText(toBinary(TimestampSchema, timestamp)) ?? '',
    ),
  }));
}

/** An answer from Feast's JSON. */
export function answerOfJson(response: JsonValue): FeatureAnswer {
  const names = listOf(member(member(response, 'metadata'), 'feature_names'));
  return listOf(member(response, 'results')).map((vector, column) => ({
    name: textOf(names[column]),
    values: listOf(member(vector, 'values')).map(jsonText),
    statuses: listOf(member(vector, 'statuses')).map(textOf),
    eventTimestamps: listOf(member(vector, 'event_timestamps')).map(textOf),
  }));
}

function member(value: JsonValue | undefined, name: string): JsonValue | undefined {
  return value instanceof Map ? (value as JsonObject).get(name) : undefined;
}

function listOf(value: JsonValue | undefined): readonly JsonValue[] {
  return Array.isArray(value) ? (value as readonly JsonValue[]) : [];
}

function textOf(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : '';
}

/** One JSON document in the shape of Feast's HTTP API, the same for every protocol. */
export function answerJson(answer: FeatureAnswer): string {
  const results = answer.map(
    ({ values, statuses, eventTimestamps }) =>
      `{"values":[${values.join(',')}],"statuses":${JSON.stringify(statuses)},` +
      `"event_timestamps":${JSON.stringify(eventTimestamps)}}`,
  );
  const names = JSON.stringify(answer.map(({ name }) => name));
  return `{"metadata":{"feature_names":${names}},"results":[${results.join(',')}]}`;
}
