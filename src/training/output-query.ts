import { SideboardError } from '../errors.ts';
import { isTextType } from '../ingestion/scalar-reader.ts';
import { momentExpression, quote } from '../ingestion/source-queries.ts';
import { ValueType } from '../feast-encoding/value-type.ts';
import type { EntityRows } from './entity-rows.ts';
import { joinKeySql } from './join-key.ts';
import type { PreparedJoin } from './prepare-join.ts';
import type { JoinSelection, SelectedFeature } from './select-joins.ts';

/** Name of the table that a join fills. */
export function joinTable(join: number): string {
  return `join_${join}`;
}

/** Name of the table that an on-demand view is computed into. */
export function computedTable(index: number): string {
  return `computed_${index}`;
}

/** `sql`, or an error where the tables beside the entity rows are not in step with them. */
export function rowsInStep(entities: EntityRows, tables: readonly string[], sql: string): string {
  if (tables.length === 0) return sql;
  const inStep = tables.map(
    (table) => `${table}.row_number IS NOT DISTINCT FROM ${entities.rowNumber}`,
  );
  return `CASE WHEN ${inStep.join(' AND ')} THEN ${sql} ELSE error('rows are out of step') END`;
}

/**
 * SELECT for the result: every entity row in its place, its own columns first, then the features in requested order. The
 * tables of joins and of on-demand views are read side by side with the entity rows, which takes no memory; a row that is out of step is an
 * error.
 */
export function compileOutput(
  entities: EntityRows,
  joins: readonly PreparedJoin[],
  { computed, features }: JoinSelection,
): string {
  const tables = [
    ...joins.map((_join, i) => joinTable(i)),
    ...computed.map((_view, i) => computedTable(i)),
  ];
  const own = [...entities.types.keys()].map((name) => ({
    name,
    sql: ownColumn(name, entities, joins),
  }));
  const [first, ...others] = own;
  const columns = [
    `${rowsInStep(entities, tables, first!.sql)} AS ${quote(first!.name)}`,
    ...others.map(({ sql, name }) => `${sql} AS ${quote(name)}`),
    ...features.map((feature) => `${placeOf(feature)} AS ${quote(feature.outputName)}`),
  ];
  const beside = tables.map((table) => ` POSITIONAL JOIN ${table}`);
  return `SELECT ${columns.join(', ')} FROM ${entities.sql}${beside.join('')}`;
}

function placeOf(feature: SelectedFeature): string {
  return 'join' in feature
    ? `${joinTable(feature.join)}.f${feature.feature}`
    : `${computedTable(feature.computed)}.o${feature.output}`;
}

/** @throws SideboardError FEATURE_NAME_COLLISION when a feature has the name of a column of the entity rows. */
export function refuseTakenNames(entities: EntityRows, { features }: JoinSelection): void {
  const taken = features
    .map(({ outputName }) => outputName)
    .filter((name) => entities.types.has(name));
  if (taken.length > 0) {
    throw new SideboardError(
      'FEATURE_NAME_COLLISION',
      `entity rows already have a column ${taken.join(', ')}: ask with --full-feature-names, or leave it out of one of them`,
    );
  }
}

/** Columns stay as they are; of CSV, the event timestamp and integer join keys get their types. */
function ownColumn(name: string, entities: EntityRows, joins: readonly PreparedJoin[]): string {
  const column = { name, sourceName: name, type: entities.types.get(name)! };
  if (entities.files.format === 'csv' && isTextType(column.type)) {
    if (name === entities.eventTimestampColumn) {
      return momentExpression(column)!;
    }
    const valueType = keyType(name, joins);
    const key = valueType === undefined ? undefined : joinKeySql(column, valueType);
    if (key !== undefined && 'sql' in key) {
      return key.sql;
    }
  }
  return `source.${quote(name)}`;
}

/** The integer type of a join key, if all joins agree that the column is one. */
function keyType(entityColumn: string, joins: readonly PreparedJoin[]): number | undefined {
  const types = new Set(
    joins.flatMap(({ selected, keys }) =>
      keys
        .filter((_key, i) => selected.entityColumns[i] === entityColumn)
        .map(({ valueType }) => valueType),
    ),
  );
  const [only] = types;
  const isInteger = only === ValueType.INT32 || only === ValueType.INT64;
  return types.size === 1 && isInteger ? only : undefined;
}
