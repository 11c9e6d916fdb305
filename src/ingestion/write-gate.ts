import { SideboardError } from '../errors.ts';
import type { RowSlab } from '../feast-encoding/row-slab.ts';

/** Bounds what is on its way to the store. */
export interface WriteGate {
  /**
   * Runs a write of these rows. One that is larger than the whole gate passes when nothing else is on its way.
   *
   * @param waits for its turn where there is no room.
   * @throws SideboardError OVERLOADED where there is no room and it does not wait.
   */
  run<T>(rows: RowSlab, write: () => Promise<T>, waits: boolean): Promise<T>;
}

/** What a row costs besides its bytes. */
const ROW_OVERHEAD_BYTES = 64;

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
    async run(rows, write, waits) {
      const bytes = ROW_OVERHEAD_BYTES * rows.length + rows.byteLength;
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
