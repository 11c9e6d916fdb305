import { ValueType_Enum as Enum } from '../../gen/feast/types/Value_pb.ts';
import { checkFieldName, checkObjectName } from './check-name.ts';
import { invalidDefinition } from './definition-error.ts';
import { DEFINITION, type Entity } from './definition.ts';
import { describe, type DescriptionOptions } from './describe.ts';
import { isFeatureType } from './field.ts';
import type { FeatureType } from './value-types.ts';

/** The types that an entity key can hold. */
const KEY_TYPES: ReadonlySet<number> = new Set([
  Enum.STRING,
  Enum.BYTES,
  Enum.INT32,
  Enum.INT64,
  Enum.UNIX_TIMESTAMP,
]);

/** What `defineEntity` takes. */
export interface EntityOptions<N extends string, K extends string> extends DescriptionOptions {
  readonly name: N;
  /** The column that identifies one of it; the entity's own name when left out. */
  readonly joinKey?: K;
  /** `String`, `Bytes`, `Int32`, `Int64` or `UnixTimestamp`. */
  readonly valueType: FeatureType<'String' | 'Bytes' | 'Int32' | 'Int64' | 'UnixTimestamp'>;
}

/**
 * Defines something that features describe: a customer, a zip code, a pair of both takes two entities.
 *
 * @throws SideboardError INVALID_DEFINITION
 */
export function defineEntity<const N extends string, const K extends string = N>(
  options: EntityOptions<N, K>,
): Entity<K> {
  checkObjectName('entity', options.name);
  const subject = `entity "${options.name}"`;
  const joinKey = (options.joinKey ?? options.name) as K;
  checkFieldName(subject, 'join key', joinKey);
  if (!isFeatureType(options.valueType) || !KEY_TYPES.has(options.valueType.valueType)) {
    throw invalidDefinition(
      subject,
      'its value type cannot be part of an entity key',
      'use String, Bytes, Int32, Int64 or UnixTimestamp',
    );
  }
  return Object.freeze({
    [DEFINITION]: 'entity' as const,
    name: options.name,
    joinKey,
    valueType: options.valueType,
    ...describe(subject, options),
  });
}
