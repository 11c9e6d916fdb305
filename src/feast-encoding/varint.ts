/** A varint of protobuf's wire format takes ten bytes at most. */
export const MAX_VARINT_BYTES = 10;

/** Bytes that the varint of an unsigned 32-bit `value` takes: 1 to 5. */
export function varintSize(value: number): number {
  if (value < 0x80) {
    return 1;
  }
  if (value < 0x4000) {
    return 2;
  }
  if (value < 0x20_0000) {
    return 3;
  }
  return value < 0x1000_0000 ? 4 : 5;
}

/** Writes an unsigned 32-bit `value` as a varint at `at` and returns the position after it. */
export function writeVarint(out: Uint8Array, at: number, value: number): number {
  let rest = value >>> 0;
  while (rest > 0x7f) {
    out[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  out[at++] = rest;
  return at;
}

/** Writes the 64 bits of `value` (two's complement) as a varint at `at` and returns the position after it. */
export function writeVarint64(out: Uint8Array, at: number, value: bigint): number {
  const low = Number(BigInt.asUintN(32, value));
  return writeVarintHalves(out, at, low, Number(BigInt.asUintN(32, value >> 32n)));
}

/** As `writeVarint64`, from two halves of which only the bits count. */
export function writeVarintHalves(out: Uint8Array, at: number, low: number, high: number): number {
  while (high !== 0) {
    out[at++] = (low & 0x7f) | 0x80;
    low = (low >>> 7) | (high << 25);
    high >>>= 7;
  }
  return writeVarint(out, at, low);
}

/**
 * The position after the varint at `at`, or -1 where it is cut off by `end` or longer than ten bytes.
 */
export function skipVarint(bytes: Uint8Array, at: number, end: number): number {
  const limit = at + MAX_VARINT_BYTES < end ? at + MAX_VARINT_BYTES : end;
  while (at < limit) {
    if (bytes[at++]! < 0x80) {
      return at;
    }
  }
  return -1;
}

/** The low 32 bits, signed, of the varint at `at`; the caller has made sure with `skipVarint` that it is whole. */
export function varintLow32(bytes: Uint8Array, at: number): number {
  let low = 0;
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = bytes[at++]!;
    low |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      return low;
    }
  }
  return low;
}

/** Bits 32 to 63, signed, of the varint at `at`; the caller has made sure with `skipVarint` that it is whole. */
export function varintHigh32(bytes: Uint8Array, at: number): number {
  // Four bytes hold bits 0 to 27; the fifth holds 28 to 34, so its upper three bits are the first of the high half.
  for (let i = 0; i < 4; i++) {
    if (bytes[at++]! < 0x80) {
      return 0;
    }
  }
  let byte = bytes[at++]!;
  let high = (byte & 0x7f) >>> 4;
  for (let shift = 3; byte >= 0x80 && shift < 32; shift += 7) {
    byte = bytes[at++]!;
    high |= (byte & 0x7f) << shift;
  }
  return high;
}

/** The 64 bits of the varint at `at` as a signed integer; the caller has made sure with `skipVarint` that it is whole. */
export function varintInt64(bytes: Uint8Array, at: number): bigint {
  const low = BigInt(varintLow32(bytes, at) >>> 0);
  return (BigInt(varintHigh32(bytes, at)) << 32n) | low;
}
