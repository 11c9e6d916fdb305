import type { RowPosition } from './source-relation.ts';

/** Why a row of a source is not written. */
export type BadRowKind =
  | 'no_event_timestamp'
  | 'no_join_key'
  | 'value_does_not_fit'
  | 'malformed_line';

/** Rows that were left out for one reason. */
export interface BadRows {
  readonly kind: BadRowKind;
  /** The feature whose value does not fit its type; only for `value_does_not_fit`. */
  readonly feature?: string;
  readonly count: number;
  /** The first of them, at most `MAX_NAMED_ROWS`. */
  readonly first: readonly RowPosition[];
}

/** How many rows of one kind are named; the others are counted. */
export const MAX_NAMED_ROWS = 5;

/** What each kind means, for people. */
export const BAD_ROW_TEXT: Readonly<Record<BadRowKind, string>> = {
  no_event_timestamp: 'event timestamp missing or unreadable',
  no_join_key: 'join key missing or not of its type',
  value_does_not_fit: 'value does not fit the declared type',
  malformed_line: 'line is no row',
};

/** Says where rows are: `credit.csv rows 3, 17 (and 40 more)`. Rows count from 0, lines from 1; values are never named. */
export function describeBadRows(bad: BadRows): string {
  const unit = bad.kind === 'malformed_line' ? 'line' : 'row';
  const byFile = new Map<string, number[]>();
  for (const { file, row } of bad.first) {
    byFile.set(file, [...(byFile.get(file) ?? []), row]);
  }
  const places = [...byFile].map(
    ([file, rows]) => `${file} ${unit}${rows.length > 1 ? 's' : ''} ${rows.join(', ')}`,
  );
  const rest = bad.count - bad.first.length;
  const what = BAD_ROW_TEXT[bad.kind] + (bad.feature === undefined ? '' : ` of ${bad.feature}`);
  return `${bad.count} x ${what}: ${places.join('; ')}${rest > 0 ? ` (and ${rest} more)` : ''}`;
}
