import { Buffer } from 'node:buffer';
import type { RetrievedFeatures } from '../retrieval/retrieved-features.ts';
import type { Metrics } from './metrics.ts';

/** Names of `feast.serving.FieldStatus` by number, as labels. */
export const STATUS_LABELS = [
  'invalid',
  'present',
  'null_value',
  'not_found',
  'outside_max_age',
] as const;

/**
 * Counts the answers to feature reads, their rows, and the statuses of their values by feature view: a byte is looked at
 * per value, a counter is touched per view and status.
 */
export function createAnswerCounter(metrics: Metrics): (retrieved: RetrievedFeatures) => void {
  const counts = new Uint32Array(STATUS_LABELS.length);
  return ({ plan, rowCount, entityColumns, statuses }) => {
    metrics.observeOnlineFeatures(rowCount);
    const columnCount = plan.outputNames.length;
    let column = entityColumns.length;
    while (column < columnCount) {
      const group = plan.groupOfColumn[column]!;
      const view = plan.viewOfColumn[column]!;
      const first = column;
      // Columns of one view mostly stand together.
      do column++;
      while (
        column < columnCount &&
        plan.groupOfColumn[column] === group &&
        plan.viewOfColumn[column] === view
      );
      countStatuses(statuses, first * rowCount, column * rowCount, counts);
      metrics.observeStatuses(plan.groups[group]!.views[view]!.name, counts);
    }
  };
}

const PRESENT = STATUS_LABELS.indexOf('present');

/** As many statuses as any answer had so far, all of them PRESENT. */
let allPresent: Buffer = Buffer.alloc(4096, PRESENT);
/** So many are counted before a native comparison has begun. */
const FEW = 64;

/** Counts the statuses in `[start, end)`. Mostly all are PRESENT, which one comparison tells where they are many. */
function countStatuses(
  statuses: Uint8Array,
  start: number,
  end: number,
  counts: Uint32Array,
): void {
  const count = end - start;
  for (let status = 0; status < counts.length; status++) counts[status] = 0;
  if (count > FEW) {
    if (count > allPresent.length) allPresent = Buffer.alloc(2 * count, PRESENT);
    if (allPresent.compare(statuses, start, end, 0, count) === 0) {
      counts[PRESENT] = count;
      return;
    }
  }
  for (let at = start; at < end; at++) counts[statuses[at]!]!++;
}
