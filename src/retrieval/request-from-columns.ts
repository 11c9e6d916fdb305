import { checkColumnCount } from './decode-columns.ts';
import { DecodedSelectionId } from './selection-id.ts';
import type { EntityColumn, RetrievalRequest, Selection } from './retrieval-request.ts';

/** A column of values that were encoded one by one: one `feast.types.Value` per row, empty = null. */
export interface EncodedColumn {
  readonly name: string;
  readonly values: readonly Uint8Array[];
}

/** What a caller asks for, in words; the names of the columns are taken from the columns. */
export type RequestedSelection = Pick<
  Selection,
  'featureService' | 'features' | 'fullFeatureNames' | 'includeVersionMetadata'
>;

/**
 * Makes a request of columns that somebody has encoded (the HTTP JSON API). Entity columns are answered in the order
 * given; names must be distinct.
 *
 * @throws SideboardError LIMIT_EXCEEDED for too many columns
 */
export function requestFromColumns(
  selection: RequestedSelection,
  columns: readonly EntityColumn[],
  contextColumns: readonly EntityColumn[] = [],
): RetrievalRequest {
  checkColumnCount(columns.length + contextColumns.length);
  const entityColumnNames = columns.map((column) => column.name);
  const contextColumnNames = contextColumns.map((column) => column.name);
  const whole: Selection = { ...selection, entityColumnNames, contextColumnNames };
  return {
    selectionId: new DecodedSelectionId(whole),
    selection: () => whole,
    columns,
    contextColumns,
  };
}

/** Lays the values of a column end to end. */
export function packColumn({ name, values }: EncodedColumn): EntityColumn {
  const starts = new Int32Array(values.length);
  const ends = new Int32Array(values.length);
  let at = 0;
  for (let row = 0; row < values.length; row++) {
    starts[row] = at;
    at += values[row]!.length;
    ends[row] = at;
  }
  const bytes = new Uint8Array(at);
  for (let row = 0; row < values.length; row++) bytes.set(values[row]!, starts[row]);
  return { name, bytes, starts, ends };
}
