import { Buffer } from 'node:buffer';
import type {
  FeatureValue,
  ScalarMapPair,
  TypedValue,
  ValueMap,
  ZonedTimestamp,
} from '../../src/feast-encoding/typed-value.ts';
import { FieldKind, itemType, memberKind } from '../../src/feast-encoding/value-schema.ts';
import { ValueType, valueTypeName } from '../../src/feast-encoding/value-type.ts';

/** A typed value as protobuf's JSON with proto field names, the form in which the golden values are recorded. */
export function protobufJson({ type, value }: TypedValue): object {
  if (type === ValueType.INVALID) {
    return {};
  }
  const base = { VALUE_LIST: 'list', VALUE_SET: 'set' }[valueTypeName(type)];
  const name = `${base ?? valueTypeName(type).toLowerCase()}_val`;
  return { [name]: type === ValueType.NULL ? 'NULL' : memberJson(type, value) };
}

function memberJson(type: number, value: FeatureValue): unknown {
  switch (memberKind(type)) {
    case FieldKind.MAP:
      return mapJson(value as ValueMap);
    case FieldKind.MAP_LIST:
      return listJson((value as readonly ValueMap[]).map(mapJson));
    case FieldKind.REPEATED_VALUE:
      return listJson((value as readonly TypedValue[]).map(protobufJson));
    case FieldKind.SCALAR_MAP:
      return listJson((value as readonly ScalarMapPair[]).map(pairJson));
    case FieldKind.ZONED_TIMESTAMP: {
      const { unixSeconds, zone } = value as ZonedTimestamp;
      return {
        ...(unixSeconds === 0n ? {} : { unix_timestamp: String(unixSeconds) }),
        ...(zone === '' ? {} : { zone }),
      };
    }
    case FieldKind.STRING_LIST:
    case FieldKind.BYTES_LIST:
    case FieldKind.VARINT_LIST:
    case FieldKind.DOUBLE_LIST:
    case FieldKind.FLOAT_LIST:
      return listJson(
        (value as readonly FeatureValue[]).map((item) => scalarJson(itemType(type), item)),
      );
    default:
      return scalarJson(type, value);
  }
}

function scalarJson(type: number, value: FeatureValue): unknown {
  if (value instanceof Uint8Array) {
    return Buffer.from(value).toString('base64');
  }
  if (typeof value === 'bigint') {
    return String(value);
  }
  if (typeof value === 'number' && !Number.isFinite(value)) {
    return String(value);
  }
  // protobuf's JSON prints the first of 6 to 9 digits that reads back as the same float.
  return type === ValueType.FLOAT ? shortestFloat(value as number) : value;
}

function shortestFloat(value: number): number {
  if (value === 0) {
    return value; // toPrecision drops the sign of -0.
  }
  for (let digits = 6; digits < 10; digits++) {
    const candidate = Number(value.toPrecision(digits));
    if (Math.fround(candidate) === value) {
      return candidate;
    }
  }
  return value;
}

function listJson(val: readonly unknown[]): object {
  return val.length === 0 ? {} : { val };
}

function mapJson(map: ValueMap): object {
  const entries = [...map].map(([key, value]) => [key, protobufJson(value)] as const);
  return entries.length === 0 ? {} : { val: Object.fromEntries(entries) };
}

function pairJson([key, value]: ScalarMapPair): object {
  const name = `${valueTypeName(key.type).toLowerCase()}_key`;
  const keyJson =
    key.type === ValueType.INVALID ? {} : { key: { [name]: scalarJson(key.type, key.value) } };
  return { ...keyJson, value: protobufJson(value) };
}
