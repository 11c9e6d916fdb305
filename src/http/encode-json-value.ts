import { ValueType } from '../feast-encoding/value-type.ts';
import { varintSize, writeVarint, writeVarint64 } from '../feast-encoding/varint.ts';
import { WireType } from '../feast-encoding/wire.ts';
import type { JsonFloat, JsonObject, JsonValue } from './json-parser.ts';

const NULL: Uint8Array = new Uint8Array(0);
const TRUE = Uint8Array.of((ValueType.BOOL << 3) | WireType.VARINT, 1);
const FALSE = Uint8Array.of((ValueType.BOOL << 3) | WireType.VARINT, 0);
const INT64_TAG = (ValueType.INT64 << 3) | WireType.VARINT;
const MAX_UINT32 = 2 ** 32 - 1;
const MAX_INT64 = 2n ** 63n - 1n;
const MIN_INT64 = -(2n ** 63n);

/**
 * Encodes a JSON value as the `feast.types.Value` of its JSON type: integer → int64_val, float → double_val, string,
 * bool, null → unset; array → list_val, object → map_val (request data only: no entity key has such a type). The reader
 * converts to the declared type afterwards. An integer beyond int64 becomes the text of its digits, which converts in the
 * same way: right for a string key, refused for an integer one.
 */
export function encodeJsonValue(value: JsonValue): Uint8Array {
  switch (typeof value) {
    case 'string':
      return lengthField(ValueType.STRING, Buffer.from(value, 'utf8'));
    case 'number':
      return encodeInteger(value);
    case 'bigint':
      return value >= MIN_INT64 && value <= MAX_INT64
        ? encodeInteger(value)
        : lengthField(ValueType.STRING, Buffer.from(value.toString(), 'latin1'));
    case 'boolean':
      return value ? TRUE : FALSE;
    default:
      return value === null ? NULL : encodeStructure(value);
  }
}

function encodeInteger(value: number | bigint): Uint8Array {
  if (typeof value === 'number' && value >= 0 && value <= MAX_UINT32) {
    const out = new Uint8Array(1 + varintSize(value));
    out[0] = INT64_TAG;
    writeVarint(out, 1, value);
    return out;
  }
  const out = new Uint8Array(11);
  out[0] = INT64_TAG;
  // A copy: a view would give every number memory outside of the heap.
  return out.slice(0, writeVarint64(out, 1, BigInt(value)));
}

function encodeStructure(value: JsonFloat | readonly JsonValue[] | JsonObject): Uint8Array {
  if (isArray(value)) {
    const items = value.map((item) => lengthField(1, encodeJsonValue(item)));
    return lengthField(ValueType.VALUE_LIST, Buffer.concat(items));
  }
  if (isObject(value)) {
    const entries = [...value].map(([name, member]) =>
      lengthField(
        1,
        Buffer.concat([
          lengthField(1, Buffer.from(name, 'utf8')),
          lengthField(2, encodeJsonValue(member)),
        ]),
      ),
    );
    return lengthField(ValueType.MAP, Buffer.concat(entries));
  }
  const out = Buffer.alloc(9);
  out[0] = (ValueType.DOUBLE << 3) | WireType.FIXED64;
  out.writeDoubleLE(value.float, 1);
  return out;
}

function isArray(
  value: JsonFloat | readonly JsonValue[] | JsonObject,
): value is readonly JsonValue[] {
  return Array.isArray(value);
}

function isObject(value: JsonFloat | JsonObject): value is JsonObject {
  return value instanceof Map;
}

/** A field with a length: tag, length, payload. */
function lengthField(fieldNumber: number, payload: Uint8Array): Uint8Array {
  const tag = (fieldNumber << 3) | WireType.BYTES;
  const out = new Uint8Array(varintSize(tag) + varintSize(payload.length) + payload.length);
  const at = writeVarint(out, writeVarint(out, 0, tag), payload.length);
  out.set(payload, at);
  return out;
}
