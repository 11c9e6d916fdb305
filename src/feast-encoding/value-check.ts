import { isUtf8 } from 'node:buffer';
import { FIELD_KINDS, FIELDS_PER_MESSAGE, FieldKind, FIRST_MESSAGE } from './value-schema.ts';
import { skipVarint, varintLow32 } from './varint.ts';
import { MAX_NESTING, skipLength, skipPayload, skipTag, WireType } from './wire.ts';

/** Text up to this length is looked at byte by byte; beyond it the native check is worth its call. */
const SHORT_TEXT_BYTES = 48;

/**
 * Whether `[start, end)` holds an encoded `feast.types.Value` that Feast's parser (upb) accepts: whole fields up to the
 * very end, known members checked down to the innermost message, text valid UTF-8, at most 100 messages inside each
 * other, unknown fields and members with another wire type skipped. Nothing is decoded, and nothing is allocated but a
 * view of long or non-ASCII text.
 */
export function isValueMessage(bytes: Uint8Array, start: number, end: number): boolean {
  if (start === end) {
    return true;
  }
  // Nearly every stored value is one scalar: say so without walking. Anything unusual falls through to the walk.
  switch (bytes[start]) {
    case 0x18: // int32
    case 0x20: // int64
    case 0x38: // bool
    case 0x40: // unix timestamp
      if (skipVarint(bytes, start + 1, end) === end) {
        return true;
      }
      break;
    case 0x29: // double
      if (end - start === 9) {
        return true;
      }
      break;
    case 0x35: // float
      if (end - start === 5) {
        return true;
      }
      break;
    case 0x12: // string, shorter than 128 bytes
      if (start + 2 <= end && bytes[start + 1] === end - start - 2 && end - start < 0x82) {
        return isText(bytes, start + 2, end);
      }
      break;
    default:
  }
  return isMessage(bytes, start, end, FieldKind.VALUE, MAX_NESTING);
}

/** @param nesting how many more messages or groups may stand inside this one. */
function isMessage(
  bytes: Uint8Array,
  start: number,
  end: number,
  message: number,
  nesting: number,
): boolean {
  let at = start;
  while (at < end) {
    const afterTag = skipTag(bytes, at, end);
    if (afterTag < 0) {
      return false;
    }
    const tag = varintLow32(bytes, at) >>> 0;
    const field = tag >>> 3;
    const kind =
      field < FIELDS_PER_MESSAGE
        ? FIELD_KINDS[message * FIELDS_PER_MESSAGE + field]!
        : FieldKind.UNKNOWN;
    at = skipPayload(bytes, afterTag, end, tag, nesting);
    if (at < 0) {
      return false;
    }
    // Varints and fixed-size fields are whole by now, whether known or not; only what has a length can be wrong inside.
    if ((tag & 7) === WireType.BYTES && kind >= FieldKind.STRING) {
      if (!isPayload(bytes, skipLength(bytes, afterTag, end), at, kind, nesting)) {
        return false;
      }
    }
  }
  return true;
}

function isPayload(
  bytes: Uint8Array,
  start: number,
  end: number,
  kind: number,
  nesting: number,
): boolean {
  switch (kind) {
    case FieldKind.STRING:
      return isText(bytes, start, end);
    case FieldKind.REPEATED_VARINT:
      return arePackedVarints(bytes, start, end);
    case FieldKind.REPEATED_FIXED64:
      return (end - start) % 8 === 0;
    case FieldKind.REPEATED_FIXED32:
      return (end - start) % 4 === 0;
    default:
      return (
        kind < FIRST_MESSAGE || (nesting > 0 && isMessage(bytes, start, end, kind, nesting - 1))
      );
  }
}

function arePackedVarints(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start;
  while (at < end) {
    at = bytes[at]! < 0x80 ? at + 1 : skipVarint(bytes, at, end);
    if (at < 0) {
      return false;
    }
  }
  return true;
}

/** Whether `[start, end)` is UTF-8 without surrogates and overlong forms. */
function isText(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start <= SHORT_TEXT_BYTES) {
    let at = start;
    while (at < end && bytes[at]! < 0x80) {
      at++;
    }
    if (at === end) {
      return true;
    }
  }
  return isUtf8(bytes.subarray(start, end));
}
