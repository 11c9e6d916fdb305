import { murmur3 } from '../feast-encoding/murmur3.ts';
import { isTimestampMessage } from '../feast-encoding/timestamp.ts';
import { isValueMessage } from '../feast-encoding/value-check.ts';
import type { StoredCells } from '../online-store/online-store.ts';
import { corruptStoredValue } from './retrieval-errors.ts';
import type { EntityGroupPlan } from './retrieval-plan.ts';

/**
 * Checks that what a store returned for a group is what the answer will say it is: every value a well-formed
 * `feast.types.Value`, every timestamp a `google.protobuf.Timestamp`. What is spliced unchecked would break the whole
 * answer, or be read as something else.
 *
 * @param cells of the entities of `keys`.
 * @throws SideboardError CORRUPT_STORED_VALUE naming view, feature and the hash of the key
 */
export function checkStoredRows(
  group: EntityGroupPlan,
  keys: readonly Uint8Array[],
  cells: StoredCells,
): void {
  const { width } = group.prepared;
  for (const { name, featureNames, firstCell, timestampCell } of group.views) {
    for (let entity = 0; entity < keys.length; entity++) {
      const row = entity * width;
      const bytes = cells.buffers[entity]!;
      const damaged = damagedCell(cells, bytes, row + firstCell, row + timestampCell);
      if (damaged < 0) continue;
      const feature = featureNames[damaged - row - firstCell];
      const what = feature === undefined ? 'the event timestamp' : `feature ${feature}`;
      throw corruptStoredValue(name, what, murmur3(keys[entity]!));
    }
  }
}

/** The first cell of `[firstCell, timestampCell]` that is not what it should be, or -1. */
function damagedCell(
  { starts, ends }: StoredCells,
  bytes: Uint8Array,
  firstCell: number,
  timestampCell: number,
): number {
  for (let at = firstCell; at < timestampCell; at++) {
    const start = starts[at]!;
    if (start >= 0 && !isValueMessage(bytes, start, ends[at]!)) return at;
  }
  const start = starts[timestampCell]!;
  const isDamaged = start >= 0 && !isTimestampMessage(bytes, start, ends[timestampCell]!);
  return isDamaged ? timestampCell : -1;
}
