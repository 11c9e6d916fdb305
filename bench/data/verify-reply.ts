import { fromBinary } from '@bufbuild/protobuf';
import {
  FieldStatus,
  GetOnlineFeaturesResponseSchema,
} from '../../gen/feast/serving/ServingService_pb.ts';
import { storedValue } from './official-layout.ts';

/**
 * Compares an encoded GetOnlineFeaturesResponse with what `seed.ts` stored: each value, status and the presence of each
 * event timestamp. No figure of a wrong answer is published.
 *
 * @throws Error naming the first difference
 */
export function verifyReply(
  reply: Uint8Array,
  features: readonly string[],
  ids: readonly number[],
): void {
  const response = fromBinary(GetOnlineFeaturesResponseSchema, reply);
  const names = response.metadata?.featureNames?.val ?? [];
  for (const reference of features) {
    const name = reference.slice(reference.indexOf(':') + 1);
    const feature = Number(name.slice('feature_'.length));
    const column = response.results[names.indexOf(name)];
    if (column?.values.length !== ids.length) {
      throw new Error(`${reference}: ${column?.values.length} values for ${ids.length} rows`);
    }
    for (const [row, id] of ids.entries()) {
      const value = column.values[row]?.val;
      const isRight = value?.case === 'int64Val' && value.value === storedValue(id, feature);
      const seconds = column.eventTimestamps[row]?.seconds ?? 0n;
      if (!isRight || column.statuses[row] !== FieldStatus.PRESENT || seconds === 0n) {
        throw new Error(`${reference}, row ${row}: not what was stored`);
      }
    }
  }
}
