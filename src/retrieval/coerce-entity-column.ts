import type { TypedValue } from '../feast-encoding/typed-value.ts';
import { isValueMessage } from '../feast-encoding/value-check.ts';
import { readValue } from '../feast-encoding/value-reader.ts';
import { createScannedValue, scanValue } from '../feast-encoding/value-scan.ts';
import { isEntityKeyType, ValueType, valueTypeName } from '../feast-encoding/value-type.ts';
import { writeValue } from '../feast-encoding/value-writer.ts';
import { coerceEntityValue, isOutOfRange } from './coerce-entity-value.ts';
import { packColumn } from './request-from-columns.ts';
import {
  entityValueOutOfRange,
  invalidEntityValue,
  unsupportedJoinKeyType,
} from './retrieval-errors.ts';
import type { EntityColumnPlan } from './retrieval-plan.ts';
import type { EntityColumn } from './retrieval-request.ts';

/** Looked at as soon as it is written. */
const scanned = createScannedValue();

/**
 * Gives every value of an entity column the type that its join key is declared with. A column that has it already, as
 * nearly all do, is returned as it is; nulls stay nulls.
 *
 * @throws SideboardError INVALID_ENTITY_VALUE naming column, row and types; UNSUPPORTED_JOIN_KEY_TYPE where the type is not
 *   declared and the value's own type cannot be in an entity key
 */
export function coerceEntityColumn(
  column: EntityColumn,
  plan: EntityColumnPlan,
  lossy: boolean,
): EntityColumn {
  if (!plan.isJoinKey) return column;
  const { bytes, starts, ends } = column;
  let converts = false;
  for (let row = 0; row < starts.length; row++) {
    scanValue(bytes, starts[row]!, ends[row]!, scanned);
    const type = scanned.valueType;
    if (type === plan.valueType || isNullType(type)) continue;
    if (plan.valueType !== 0) converts = true;
    else if (!isEntityKeyType(type)) throw unsupportedJoinKeyType(column.name, valueTypeName(type));
  }
  return converts ? convertColumn(column, plan.valueType, lossy) : column;
}

/** Whether a `Value` with this oneof member (0 = none) is a null. */
export function isNullType(valueType: number): boolean {
  return valueType === ValueType.INVALID || valueType === ValueType.NULL;
}

function convertColumn(column: EntityColumn, valueType: number, lossy: boolean): EntityColumn {
  const { name, bytes, starts, ends } = column;
  const values: Uint8Array[] = [];
  for (let row = 0; row < starts.length; row++) {
    const encoded = bytes.subarray(starts[row], ends[row]);
    const typed = readEntityValue(encoded);
    if (isNullType(typed.type)) {
      values.push(encoded);
      continue;
    }
    const value = coerceEntityValue(typed, valueType, lossy);
    if (value === undefined) {
      if (isOutOfRange(typed, valueType)) {
        throw entityValueOutOfRange({ name, row }, valueTypeName(valueType));
      }
      const convertsLossy = coerceEntityValue(typed, valueType, true) !== undefined;
      const [from, to] = [valueTypeName(typed.type), valueTypeName(valueType)];
      throw invalidEntityValue({ name, row }, from, to, convertsLossy);
    }
    values.push(writeValue(valueType, value));
  }
  return packColumn({ name, values });
}

/** JSON nests lists and objects deeper than a message can be: of those the type alone is known, and no key has it. */
function readEntityValue(encoded: Uint8Array): TypedValue {
  if (isValueMessage(encoded, 0, encoded.length)) return readValue(encoded);
  scanValue(encoded, 0, encoded.length, scanned);
  return { type: scanned.valueType, value: null };
}
