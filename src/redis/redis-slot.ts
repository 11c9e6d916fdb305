/** Slots of a Redis Cluster. */
export const SLOT_COUNT = 16_384;

const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;

/** CRC16/XMODEM (polynomial 0x1021) of each byte, as the Redis Cluster specification prescribes. */
const CRC16_TABLE = buildTable();

/**
 * The cluster slot of a key, `[0, 16384)`, exactly as Redis computes it on the raw bytes: of what stands between the first
 * `{` and the first `}` after it, if that is not empty, else of the whole key. Entity keys are binary, so both bytes occur
 * in them by chance.
 */
export function redisSlot(key: Uint8Array): number {
  const opening = key.indexOf(OPENING_BRACE);
  if (opening >= 0) {
    const closing = key.indexOf(CLOSING_BRACE, opening + 1);
    if (closing > opening + 1) {
      return crc16(key, opening + 1, closing) % SLOT_COUNT;
    }
  }
  return crc16(key, 0, key.length) % SLOT_COUNT;
}

function crc16(bytes: Uint8Array, start: number, end: number): number {
  let crc = 0;
  for (let i = start; i < end; i++) {
    crc = ((crc << 8) & 0xffff) ^ CRC16_TABLE[((crc >>> 8) ^ bytes[i]!) & 0xff]!;
  }
  return crc;
}

function buildTable(): Uint16Array {
  return Uint16Array.from({ length: 256 }, (_, byte) => {
    let crc = byte << 8;
    for (let bit = 0; bit < 8; bit++) {
      crc = (crc & 0x8000) === 0 ? crc << 1 : ((crc << 1) ^ 0x1021) & 0xffff;
    }
    return crc & 0xffff;
  });
}
