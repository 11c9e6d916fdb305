import { FieldKind, FIELDS_PER_MESSAGE, memberKind, wireTypeOfKind } from './value-schema.ts';
import { skipVarint, varintHigh32, varintLow32 } from './varint.ts';
import { MAX_NESTING, payloadEnd, skipLength, skipPayload, skipTag, WireType } from './wire.ts';

/**
 * What `scanValue` found in one encoded `feast.types.Value`. A scratch object: made once, filled again for every value,
 * because an entity column may have thousands of rows.
 */
export interface ScannedValue {
  /** Number of the oneof member that is set (a `ValueType` number); 0 = none, which is a null. */
  valueType: number;
  /** Payload of a member that is not a varint, `[start, end)` of the scanned bytes, without its length; else 0, 0. */
  start: number;
  end: number;
  /** Bits 0 to 31 of a varint member (integers, bool, unix timestamp), as a signed integer; else 0. */
  low: number;
  /** Bits 32 to 63 of a varint member, as a signed integer; else 0. */
  high: number;
}

/** A scratch object for `scanValue`. */
export function createScannedValue(): ScannedValue {
  return { valueType: 0, start: 0, end: 0, low: 0, high: 0 };
}

/**
 * Finds the oneof member of the encoded `feast.types.Value` at `[start, end)`: the last one wins, as in every protobuf
 * parser; unknown fields and known ones with another wire type are skipped. Nested messages and UTF-8 are not checked.
 *
 * @param into is filled; what it held before is lost.
 * @returns false where the bytes are no message.
 */
export function scanValue(
  bytes: Uint8Array,
  start: number,
  end: number,
  into: ScannedValue,
): boolean {
  into.valueType = 0;
  into.start = 0;
  into.end = 0;
  into.low = 0;
  into.high = 0;
  let at = start;
  while (at < end) {
    const afterTag = skipTag(bytes, at, end);
    if (afterTag < 0) {
      return false;
    }
    const tag = varintLow32(bytes, at) >>> 0;
    at =
      memberWireType(tag >>> 3) === (tag & 7)
        ? scanMember(bytes, afterTag, end, tag, into)
        : skipPayload(bytes, afterTag, end, tag, MAX_NESTING);
    if (at < 0) {
      return false;
    }
  }
  return true;
}

/** Fills `into` from a member's payload at `at`; the position after it, or -1. */
function scanMember(
  bytes: Uint8Array,
  at: number,
  end: number,
  tag: number,
  into: ScannedValue,
): number {
  into.valueType = tag >>> 3;
  into.start = 0;
  into.end = 0;
  into.low = 0;
  into.high = 0;
  if ((tag & 7) === WireType.VARINT) {
    const after = skipVarint(bytes, at, end);
    if (after >= 0) {
      into.low = varintLow32(bytes, at);
      into.high = varintHigh32(bytes, at);
    }
    return after;
  }
  if ((tag & 7) === WireType.BYTES) {
    const payload = skipLength(bytes, at, end);
    const after = payload < 0 ? -1 : payloadEnd(bytes, at, payload, end);
    into.start = payload;
    into.end = after;
    return after;
  }
  const after = skipPayload(bytes, at, end, tag, 0);
  into.start = at;
  into.end = after;
  return after;
}

/** Of the members of the `Value` oneof, by their number; -1 = there is none. */
const MEMBER_WIRE_TYPES = Int8Array.from({ length: FIELDS_PER_MESSAGE }, (_, valueType) => {
  const kind = memberKind(valueType);
  return kind === FieldKind.UNKNOWN ? -1 : wireTypeOfKind(kind);
});

/** The wire type of a member of the `Value` oneof; -1 for a number that has no member. */
export function memberWireType(valueType: number): number {
  return valueType < FIELDS_PER_MESSAGE ? MEMBER_WIRE_TYPES[valueType]! : -1;
}
