/** "Jones" polynomial, bits reversed, in two halves. */
const POLYNOMIAL_HIGH = 0x95ac9329;
const POLYNOMIAL_LOW = 0xac4bc9b5;
/** Bytes that one step takes. */
const STRIDE = 8;
/** Values of a byte. */
const TABLE = 256;

/** Table `t` of byte `b` at `t * TABLE + b`: what the byte does to the sum when `t` bytes follow it in a step. */
const HIGH = new Int32Array(STRIDE * TABLE);
const LOW = new Int32Array(STRIDE * TABLE);
fillTables();

/**
 * Writes the CRC-64 of `bytes[start, end)` behind them, little-endian, as Redis puts it at the end of what `DUMP` gives
 * (`crc64.c`: polynomial 0xad93d23594c935a9, reflected, begun with 0).
 *
 * @returns the position after it.
 */
export function writeCrc64(bytes: Uint8Array, start: number, end: number): number {
  let high = 0;
  let low = 0;
  let at = start;
  for (; at + STRIDE <= end; at += STRIDE) {
    const a = 7 * TABLE + (bytes[at]! ^ (low & 0xff));
    const b = 6 * TABLE + (bytes[at + 1]! ^ ((low >>> 8) & 0xff));
    const c = 5 * TABLE + (bytes[at + 2]! ^ ((low >>> 16) & 0xff));
    const d = 4 * TABLE + (bytes[at + 3]! ^ (low >>> 24));
    const e = 3 * TABLE + (bytes[at + 4]! ^ (high & 0xff));
    const f = 2 * TABLE + (bytes[at + 5]! ^ ((high >>> 8) & 0xff));
    const g = TABLE + (bytes[at + 6]! ^ ((high >>> 16) & 0xff));
    const h = bytes[at + 7]! ^ (high >>> 24);
    low = LOW[a]! ^ LOW[b]! ^ LOW[c]! ^ LOW[d]! ^ LOW[e]! ^ LOW[f]! ^ LOW[g]! ^ LOW[h]!;
    high = HIGH[a]! ^ HIGH[b]! ^ HIGH[c]! ^ HIGH[d]! ^ HIGH[e]! ^ HIGH[f]! ^ HIGH[g]! ^ HIGH[h]!;
  }
  for (; at < end; at++) {
    const index = (bytes[at]! ^ low) & 0xff;
    low = ((low >>> 8) | (high << 24)) ^ LOW[index]!;
    high = (high >>> 8) ^ HIGH[index]!;
  }
  return writeInt32(bytes, writeInt32(bytes, end, low), high);
}

function writeInt32(out: Uint8Array, at: number, value: number): number {
  out[at] = value;
  out[at + 1] = value >>> 8;
  out[at + 2] = value >>> 16;
  out[at + 3] = value >>> 24;
  return at + 4;
}

function fillTables(): void {
  for (let byte = 0; byte < TABLE; byte++) {
    let high = 0;
    let low = byte;
    for (let bit = 0; bit < 8; bit++) {
      const isSet = (low & 1) === 1;
      low = (low >>> 1) | (high << 31);
      high >>>= 1;
      if (isSet) {
        low ^= POLYNOMIAL_LOW;
        high ^= POLYNOMIAL_HIGH;
      }
    }
    LOW[byte] = low;
    HIGH[byte] = high;
  }
  for (let i = TABLE; i < STRIDE * TABLE; i++) {
    const low = LOW[i - TABLE]!;
    const high = HIGH[i - TABLE]!;
    const index = low & 0xff;
    LOW[i] = ((low >>> 8) | (high << 24)) ^ LOW[index]!;
    HIGH[i] = (high >>> 8) ^ HIGH[index]!;
  }
}
