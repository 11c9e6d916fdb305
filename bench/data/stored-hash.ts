import { serializeEntityKey } from '../../src/feast-encoding/entity-key.ts';
import { hashFeatureField, timestampField } from '../../src/feast-encoding/hash-field.ts';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import { JOIN_KEY, PROJECT } from './official-layout.ts';

/** The key of the Redis hash that holds an entity of the official layout. */
export function storedKey(id: number): Buffer {
  const value = { type: ValueType.INT64, value: BigInt(id) };
  return Buffer.concat([serializeEntityKey([JOIN_KEY], [value], 3), Buffer.from(PROJECT)]);
}

/** What a read of these features asks that hash for: their fields, then the event timestamps of their views. */
export function storedFields(references: readonly string[]): Buffer[] {
  const pairs = references.map((reference) => reference.split(':') as [string, string]);
  const views = new Set(pairs.map(([view]) => view));
  return [
    ...pairs.map(([view, feature]) => Buffer.from(hashFeatureField(view, feature))),
    ...[...views].map((view) => Buffer.from(timestampField(view))),
  ];
}
