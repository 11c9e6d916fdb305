import { EncodingError } from './encoding-error.ts';
import { varintHigh32, varintInt64, varintLow32, writeVarint, writeVarint64 } from './varint.ts';
import { MAX_NESTING, skipPayload, skipTag } from './wire.ts';

const NANOS_PER_SECOND = 1_000_000_000n;
const SECONDS_TAG = 0x08;
const NANOS_TAG = 0x10;
/** Two tags, ten bytes of seconds, five of nanoseconds. */
export const MAX_TIMESTAMP_BYTES = 17;
const MAX_UINT32 = 0xffff_ffff;

/**
 * Encodes `google.protobuf.Timestamp`: field 1 seconds (int64), field 2 nanos (int32), zeros left out, so that epoch 0 is
 * the empty string, as Feast stores it.
 *
 * @param timestampNs nanoseconds since the epoch, UTC; before 1970 the nanos still count forward.
 */
export function encodeTimestamp(timestampNs: bigint): Uint8Array {
  let seconds = timestampNs / NANOS_PER_SECOND;
  let nanos = timestampNs % NANOS_PER_SECOND;
  if (nanos < 0n) {
    nanos += NANOS_PER_SECOND;
    seconds -= 1n;
  }
  const out = new Uint8Array(MAX_TIMESTAMP_BYTES);
  return out.slice(0, writeTimestamp(out, 0, seconds, Number(nanos)));
}

/**
 * Writes what `encodeTimestamp` gives, `MAX_TIMESTAMP_BYTES` at most.
 *
 * @param seconds since the epoch; a whole number, exact.
 * @param nanos that still count forward before 1970.
 * @returns the position after it.
 */
export function writeTimestamp(
  out: Uint8Array,
  at: number,
  seconds: number | bigint,
  nanos: number,
): number {
  if (seconds !== 0 && seconds !== 0n) {
    out[at++] = SECONDS_TAG;
    at =
      seconds > 0 && seconds <= MAX_UINT32
        ? writeVarint(out, at, Number(seconds))
        : writeVarint64(out, at, BigInt(seconds));
  }
  if (nanos !== 0) {
    out[at++] = NANOS_TAG;
    at = writeVarint(out, at, nanos);
  }
  return at;
}

/**
 * Decodes an encoded `google.protobuf.Timestamp`.
 *
 * @returns nanoseconds since the epoch, UTC.
 * @throws EncodingError when the bytes are no such message.
 */
export function decodeTimestamp(bytes: Uint8Array): bigint {
  if (!isTimestampMessage(bytes, 0, bytes.length)) {
    throw new EncodingError(`${bytes.length} bytes are no google.protobuf.Timestamp`);
  }
  const at = lastVarintOf(bytes, 0, bytes.length, SECONDS_TAG);
  const seconds = at < 0 ? 0n : varintInt64(bytes, at);
  return seconds * NANOS_PER_SECOND + BigInt(timestampNanos(bytes, 0, bytes.length));
}

/**
 * Seconds of the encoded Timestamp at `[start, end)`, as near as a number comes to them (exact to 2^53); the caller has
 * checked it with `isTimestampMessage`.
 */
export function timestampSeconds(bytes: Uint8Array, start: number, end: number): number {
  const at = lastVarintOf(bytes, start, end, SECONDS_TAG);
  return at < 0 ? 0 : varintHigh32(bytes, at) * 2 ** 32 + (varintLow32(bytes, at) >>> 0);
}

/** Its nanoseconds, as they are written: negative or more than a second where somebody wrote that. */
export function timestampNanos(bytes: Uint8Array, start: number, end: number): number {
  const at = lastVarintOf(bytes, start, end, NANOS_TAG);
  return at < 0 ? 0 : varintLow32(bytes, at);
}

/** Whether `[start, end)` holds an encoded `google.protobuf.Timestamp`: whole fields up to the very end. */
export function isTimestampMessage(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start;
  while (at < end) {
    const afterTag = skipTag(bytes, at, end);
    if (afterTag < 0) {
      return false;
    }
    at = skipPayload(bytes, afterTag, end, varintLow32(bytes, at) >>> 0, MAX_NESTING);
    if (at < 0) {
      return false;
    }
  }
  return true;
}

/** Where the varint of the last field with this one-byte tag begins, or -1 where there is none. */
function lastVarintOf(bytes: Uint8Array, start: number, end: number, wanted: number): number {
  let found = -1;
  let at = start;
  while (at < end) {
    const tag = varintLow32(bytes, at) >>> 0;
    const afterTag = skipTag(bytes, at, end);
    if (tag === wanted) {
      found = afterTag;
    }
    at = skipPayload(bytes, afterTag, end, tag, MAX_NESTING);
  }
  return found;
}
