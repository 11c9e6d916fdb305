import { SideboardError } from '../errors.ts';
import type { WriteRow } from '../online-store/online-store.ts';

/** Bounds what is on its way to the store. */
export interface WriteGate {
  /** Bytes that may still be taken. */
  readonly roomBytes: number;
  /**
   * Runs a write of these rows. One that is larger than the whole gate passes when nothing else is on its way.
   *
   * @throws SideboardError OVERLOADED where there is no room.
   */
  run<T>(rows: readonly WriteRow[], write: () => Promise<T>): Promise<T>;
}

/** What a row costs besides its bytes. */
const ROW_OVERHEAD_BYTES = 64;

export function openWriteGate(maxPendingBytes: number): WriteGate {
  let pendingBytes = 0;
  return {
    get roomBytes() {
      return Math.max(0, maxPendingBytes - pendingBytes);
    },
    async run(rows, write) {
      const bytes = sizeOf(rows);
      if (pendingBytes > 0 && pendingBytes + bytes > maxPendingBytes) {
        throw new SideboardError(
          'OVERLOADED',
          `${pendingBytes} bytes are on their way to the online store already (max_pending_write_bytes)`,
        );
      }
      pendingBytes += bytes;
      try {
        return await write();
      } finally {
        pendingBytes -= bytes;
      }
    },
  };
}

function sizeOf(rows: readonly WriteRow[]): number {
  let bytes = 0;
  for (const { entityKey, values } of rows) {
    bytes += ROW_OVERHEAD_BYTES + entityKey.length;
    for (const value of values) {
      bytes += value?.length ?? 0;
    }
  }
  return bytes;
}
