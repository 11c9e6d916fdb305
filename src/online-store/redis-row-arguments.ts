import { encodeTimestamp } from '../feast-encoding/timestamp.ts';
import type { WriteRow } from './online-store.ts';

const NANOS_PER_SECOND = 1_000_000_000n;

/** What all rows of a batch are written with. */
export interface WriteTarget {
  readonly project: Uint8Array;
  readonly timestampField: Uint8Array;
  /** One per feature name of the batch, same order. */
  readonly featureFields: readonly Uint8Array[];
  /** Seconds in decimal, or empty. */
  readonly ttl: string;
}

/** Arguments of `WRITE_IF_NEWER`. */
export function scriptArguments(target: WriteTarget, row: WriteRow): (string | Uint8Array)[] {
  const { seconds, nanos } = momentOf(row);
  return [
    target.timestampField,
    encodeTimestamp(row.eventTimestampNs),
    seconds,
    nanos,
    target.ttl,
    ...fieldsAndValues(target, row),
  ];
}

/** Arguments of `WRITE_ROWS_IF_NEWER`; with the keys of the rows, those of `WRITE_ROWS_OF_NODE`. */
export function rowsArguments(
  { ttl, timestampField: field, featureFields }: WriteTarget,
  rows: readonly WriteRow[],
  keys?: readonly Uint8Array[],
): (string | Uint8Array)[] {
  const words: (string | Uint8Array)[] = [
    ttl,
    field,
    String(featureFields.length),
    ...featureFields,
  ];
  for (const [i, row] of rows.entries()) {
    const { seconds, nanos } = momentOf(row);
    if (keys !== undefined) {
      words.push(keys[i]!);
    }
    words.push(seconds, nanos, encodeTimestamp(row.eventTimestampNs));
    for (const value of row.values) {
      words.push(value!);
    }
  }
  return words;
}

/** The event timestamp as Lua reads it. */
function momentOf({ eventTimestampNs }: WriteRow): { seconds: string; nanos: string } {
  let seconds = eventTimestampNs / NANOS_PER_SECOND;
  let nanos = eventTimestampNs % NANOS_PER_SECOND;
  if (nanos < 0n) {
    nanos += NANOS_PER_SECOND;
    seconds -= 1n;
  }
  return { seconds: String(seconds), nanos: String(nanos) };
}

/** Words of `HSET`. */
export function fieldsAndValues({ featureFields }: WriteTarget, row: WriteRow): Uint8Array[] {
  return featureFields.flatMap((field, i) => {
    const value = row.values[i];
    return value === undefined ? [] : [field, value];
  });
}
