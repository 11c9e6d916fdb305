import type { PlainValue } from './plain-value.ts';

/** Rows on their way to the online store, as columns: what Feast calls a data frame. All columns have `rowCount` values. */
export interface WriteFrame {
  readonly rowCount: number;
  readonly columns: ReadonlyMap<string, FrameColumn>;
}

/** A column as JSON or text gave it, or as encoded `feast.types.Value`s (checked to be such messages). */
export type FrameColumn =
  | { readonly kind: 'plain'; readonly values: readonly PlainValue[] }
  | { readonly kind: 'typed'; readonly values: readonly Uint8Array[] };

/** A frame of one row, of values that are all of one kind. */
export function singleRowFrame(
  columns: ReadonlyMap<string, string> | ReadonlyMap<string, Uint8Array>,
): WriteFrame {
  const frame = new Map<string, FrameColumn>();
  for (const [name, value] of columns) {
    frame.set(
      name,
      typeof value === 'string'
        ? { kind: 'plain', values: [value] }
        : { kind: 'typed', values: [value] },
    );
  }
  return { rowCount: columns.size === 0 ? 0 : 1, columns: frame };
}
