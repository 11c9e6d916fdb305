import { SideboardError } from '../errors.ts';
import type { RowSlab } from '../feast-encoding/row-slab.ts';
import type { WriteFrame } from './write-frame.ts';

/** Bounds what is on its way to the store. */
export interface WriteGate {
  /**
   * Runs a write of so many bytes. One that is larger than the whole gate passes when nothing else is on its way.
   *
   * @param waits for its turn where there is no room.
   * @throws SideboardError OVERLOADED where there is no room and it does not wait.
   */
  run<T>(bytes: number, write: () => Promise<T>, waits: boolean): Promise<T>;
}

/** What a row costs besides its bytes. */
const ROW_OVERHEAD_BYTES = 64;
/** What a value of a frame takes at least, with where it is. */
const FRAME_VALUE_BYTES = 16;

export function bytesOfRows(rows: RowSlab): number {
  return ROW_OVERHEAD_BYTES * rows.length + rows.byteLength;
}

export function bytesOfFrame({ rowCount, columns }: WriteFrame): number {
  return FRAME_VALUE_BYTES * rowCount * columns.size;
}

export function openWriteGate(maxPendingBytes: number): WriteGate {
  let pendingBytes = 0;
  const waiting: { readonly bytes: number; readonly enter: () => void }[] = [];
  const hasRoom = (bytes: number): boolean =>
    pendingBytes === 0 || pendingBytes + bytes <= maxPendingBytes;
  const leave = (bytes: number): void => {
    pendingBytes -= bytes;
    while (waiting.length > 0 && hasRoom(waiting[0]!.bytes)) {
      const next = waiting.shift()!;
      pendingBytes += next.bytes;
      next.enter();
    }
  };
  return {
    async run(bytes, write, waits) {
      if (hasRoom(bytes) && (waiting.length === 0 || !waits)) {
        pendingBytes += bytes;
      } else if (waits) {
        await new Promise<void>((enter) => waiting.push({ bytes, enter }));
      } else {
        throw new SideboardError(
          'OVERLOADED',
          `${pendingBytes} bytes are on their way to the online store already (max_pending_write_bytes)`,
        );
      }
      try {
        return await write();
      } finally {
        leave(bytes);
      }
    },
  };
}
