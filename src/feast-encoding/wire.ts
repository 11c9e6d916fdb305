import { skipVarint, varintLow32 } from './varint.ts';

/** Wire types of protobuf's encoding (https://protobuf.dev/programming-guides/encoding). */
export const WireType = {
  VARINT: 0,
  FIXED64: 1,
  BYTES: 2,
  START_GROUP: 3,
  END_GROUP: 4,
  FIXED32: 5,
} as const;

/** Messages (and groups) inside each other that upb, Feast's parser, and the other common ones accept. */
export const MAX_NESTING = 100;

const MAX_TAG_BYTES = 5;

/**
 * The position after the tag at `at`, or -1 where it is cut, longer than five bytes or 32 bits, has field number 0 or
 * wire type 6 or 7. Its value is then `varintLow32(bytes, at) >>> 0`.
 */
export function skipTag(bytes: Uint8Array, at: number, end: number): number {
  const first = at < end ? bytes[at]! : 0;
  if (first < 0x80) {
    // One byte: field numbers 1 to 15; a lone 0 to 7 is field number 0.
    return first > 7 && (first & 7) <= WireType.FIXED32 ? at + 1 : -1;
  }
  if ((first & 7) > WireType.FIXED32) {
    return -1;
  }
  const after = skipShortVarint(bytes, at, end);
  return after < 0 || varintLow32(bytes, at) >>> 3 === 0 ? -1 : after;
}

/**
 * The position after the length at `at`, or -1 where it is cut or longer than five bytes. The payload is not checked:
 * use `payloadEnd`.
 */
export function skipLength(bytes: Uint8Array, at: number, end: number): number {
  if (at < end && bytes[at]! < 0x80) {
    return at + 1;
  }
  return skipShortVarint(bytes, at, end);
}

/**
 * The position after a payload whose length is the varint at `lengthAt` and which begins at `at` (from `skipLength`), or
 * -1 where that is beyond `end`.
 */
export function payloadEnd(bytes: Uint8Array, lengthAt: number, at: number, end: number): number {
  const first = bytes[lengthAt]!;
  const length = first < 0x80 ? first : varintLow32(bytes, lengthAt);
  return length < 0 || length > end - at ? -1 : at + length;
}

/**
 * The position after the payload of the field with this tag, whatever it means, or -1 where it is malformed.
 *
 * @param nesting how many more groups may stand inside each other.
 */
export function skipPayload(
  bytes: Uint8Array,
  at: number,
  end: number,
  tag: number,
  nesting: number,
): number {
  switch (tag & 7) {
    case WireType.VARINT:
      return skipVarint(bytes, at, end);
    case WireType.FIXED64:
      return at + 8 <= end ? at + 8 : -1;
    case WireType.FIXED32:
      return at + 4 <= end ? at + 4 : -1;
    case WireType.BYTES: {
      const payload = skipLength(bytes, at, end);
      return payload < 0 ? -1 : payloadEnd(bytes, at, payload, end);
    }
    case WireType.START_GROUP:
      return skipGroup(bytes, at, end, tag, nesting - 1);
    default:
      return -1;
  }
}

/** The position after the end tag that closes the group whose start tag was `startTag`, or -1. */
function skipGroup(
  bytes: Uint8Array,
  at: number,
  end: number,
  startTag: number,
  nesting: number,
): number {
  if (nesting < 0) {
    return -1;
  }
  while (at < end) {
    const afterTag = skipTag(bytes, at, end);
    if (afterTag < 0) {
      return -1;
    }
    const tag = varintLow32(bytes, at) >>> 0;
    if ((tag & 7) === WireType.END_GROUP) {
      return tag >>> 3 === startTag >>> 3 ? afterTag : -1;
    }
    at = skipPayload(bytes, afterTag, end, tag, nesting);
    if (at < 0) {
      return -1;
    }
  }
  return -1;
}

/** As `skipVarint` for tags and lengths: at most five bytes and 32 bits. */
function skipShortVarint(bytes: Uint8Array, at: number, end: number): number {
  const limit = at + MAX_TAG_BYTES < end ? at + MAX_TAG_BYTES : end;
  for (let i = at; i < limit; i++) {
    if (bytes[i]! < 0x80) {
      return i === at + MAX_TAG_BYTES - 1 && bytes[i]! > 0x0f ? -1 : i + 1;
    }
  }
  return -1;
}
