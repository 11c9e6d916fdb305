import type { DuckDBType } from '@duckdb/node-api';
import type { BatchSourceDefinition, ViewDefinition } from '../registry/registry-model.ts';
import { invalidSourceData } from './ingestion-error.ts';

/** One column of a batch source and the name that the feature view has for it. */
export interface SourceColumn {
  /** Name of the feature, join key or timestamp, after the field mapping. */
  readonly name: string;
  /** Name in the files. */
  readonly sourceName: string;
  /** Type in the files; VARCHAR for every column of a CSV file. */
  readonly type: DuckDBType;
}

/** The columns of a batch source that a feature view is made of. */
export interface SourceColumns {
  readonly eventTimestamp: SourceColumn;
  /** Absent where the source declares none. */
  readonly createdTimestamp?: SourceColumn;
  /** One per join key of the view, same order; empty for a view without entities. */
  readonly joinKeys: readonly SourceColumn[];
  /** One per feature of the view, same order. */
  readonly features: readonly SourceColumn[];
}

/** The join key that stands for "no entity"; no source has a column for it. */
export const DUMMY_JOIN_KEY = '__dummy_id';

/**
 * Finds the columns of a feature view in its source: the field mapping is followed backwards, a name that it does not
 * mention is the column's own.
 *
 * @param types of the source's columns by their exact name.
 * @throws SideboardError INVALID_SOURCE_DATA naming every column that is missing and those that are there.
 */
export function resolveSourceColumns(
  view: ViewDefinition,
  source: BatchSourceDefinition,
  types: ReadonlyMap<string, DuckDBType>,
): SourceColumns {
  const sourceNames = new Map([...source.fieldMapping].map(([from, to]) => [to, from]));
  const missing: string[] = [];
  const resolveColumn = (name: string): SourceColumn => {
    const sourceName = sourceNames.get(name) ?? name;
    const type = types.get(sourceName);
    if (type === undefined) {
      missing.push(sourceName === name ? name : `${sourceName} (mapped to ${name})`);
    }
    return { name, sourceName, type: type! };
  };
  if (source.timestampField === '') {
    throw invalidSourceData(
      view.name,
      `its source ${source.name} has no timestamp_field; set it and apply again`,
    );
  }
  const columns: SourceColumns = {
    eventTimestamp: resolveColumn(source.timestampField),
    ...(source.createdTimestampField === ''
      ? {}
      : { createdTimestamp: resolveColumn(source.createdTimestampField) }),
    joinKeys: view.joinKeys
      .filter(({ name }) => name !== DUMMY_JOIN_KEY)
      .map(({ name }) => resolveColumn(name)),
    features: view.features.map(({ name }) => resolveColumn(name)),
  };
  if (missing.length > 0) {
    throw invalidSourceData(
      view.name,
      `its source ${source.name} has no column ${missing.join(', ')}; it has ${[...types.keys()].join(', ')}`,
    );
  }
  return columns;
}
