import type { ScratchConnection } from '../ingestion/scratch-connection.ts';
import { quote } from '../ingestion/source-queries.ts';
import type { SourceColumn } from '../ingestion/source-columns.ts';
import { valueTypeName } from '../feast-encoding/value-type.ts';
import type { EntityRows } from './entity-rows.ts';
import { joinKeySql } from './join-key.ts';
import { momentNanos, momentNumber, momentUnit } from './join-moment.ts';
import type { EntityTable } from './join-queries.ts';
import type { EntityTimeRange, PreparedJoin } from './prepare-join.ts';
import { invalidEntityRows } from './training-error.ts';

/** Entity rows as the joins read them: their numbers, moments and join keys alone. */
export interface StagedEntityRows {
  readonly table: EntityTable;
  readonly range: EntityTimeRange;
  /** One list per join, one column of the table per join key. */
  readonly keyColumns: readonly (readonly string[])[];
  /** One per join: entity rows that name no entity of it. */
  readonly withoutKeyCounts: readonly number[];
}

/** A join key of the entity rows in one type; several joins may share it. */
interface StagedKey {
  readonly entityColumn: string;
  readonly valueType: number;
  readonly name: string;
  readonly sql: string;
  /** Whether the column has a value that is none of the type. */
  readonly misfit: string;
}

const TABLE = 'entity_rows';

/** SQL that fills the table, to be run by the caller (it takes a while), and what to do then. */
export interface EntityTableQuery {
  readonly sql: string;
  /** @throws SideboardError INVALID_REQUEST for rows without a moment, or with a key that is none. */
  readonly finish: () => Promise<StagedEntityRows>;
}

/**
 * Prepares the table of entity rows.
 *
 * @throws SideboardError INVALID_REQUEST when a column cannot be the event timestamp or a join key.
 */
export function stageEntityRows(
  connection: ScratchConnection,
  entities: EntityRows,
  joins: readonly PreparedJoin[],
): EntityTableQuery {
  const column = (name: string): SourceColumn => ({
    name,
    sourceName: name,
    type: entities.types.get(name)!,
  });
  const timestamp = column(entities.eventTimestampColumn);
  const unit = momentUnit(timestamp.type);
  const moment = momentNumber(timestamp, unit);
  if (moment === undefined) {
    throw invalidEntityRows(
      `column ${timestamp.name} has type ${timestamp.type.toString()}, which is no event timestamp`,
    );
  }
  const keys: StagedKey[] = [];
  const keyColumns = joins.map(({ selected, keys: sourceKeys }) =>
    selected.entityColumns.map((entityColumn, i) =>
      stageKey(keys, column(entityColumn), sourceKeys[i]!.valueType),
    ),
  );
  const columns = [
    `${entities.rowNumber} AS row_number`,
    `${moment} AS moment`,
    ...keys.map(({ sql, name }) => `${sql} AS ${name}`),
    ...keys.map(({ misfit, name }) => `${misfit} AS bad_${name}`),
  ];
  return {
    sql: `CREATE TEMP TABLE ${TABLE} AS SELECT ${columns.join(', ')} FROM ${entities.sql}`,
    finish: async () => {
      const missing = keyColumns.map((names) =>
        names.length === 0 ? 'false' : names.map((name) => `${name} IS NULL`).join(' OR '),
      );
      const counted = await connection.runAndReadAll(
        `SELECT min(moment), max(moment), ${['moment IS NULL', ...keys.map(({ name }) => `bad_${name}`), ...missing].map((what) => `count(*) FILTER (WHERE ${what})`).join(', ')} FROM ${TABLE}`,
      );
      const [start, end, noMoment, ...counts] = counted.getRows()[0]!;
      await refuseBadRows(connection, entities, { noMoment: Number(noMoment), keys, counts });
      return {
        table: { name: TABLE, unit },
        range: {
          unit,
          startNs: start === null ? undefined : momentNanos(start as bigint, unit),
          endNs: end === null ? undefined : momentNanos(end as bigint, unit),
        },
        keyColumns,
        withoutKeyCounts: counts.slice(keys.length).map(Number),
      };
    },
  };
}

/** Adds the key unless it is there, and gives its column of the table. */
function stageKey(keys: StagedKey[], column: SourceColumn, valueType: number): string {
  const found = keys.find((key) => key.entityColumn === column.name && key.valueType === valueType);
  if (found !== undefined) {
    return found.name;
  }
  const key = joinKeySql(column, valueType);
  if ('misfit' in key) {
    throw invalidEntityRows(key.misfit);
  }
  const name = `k${keys.length}`;
  keys.push({
    entityColumn: column.name,
    valueType,
    name,
    sql: key.sql,
    misfit: `(source.${quote(column.sourceName)} IS NOT NULL AND (${key.sql}) IS NULL)`,
  });
  return name;
}

async function refuseBadRows(
  connection: ScratchConnection,
  entities: EntityRows,
  found: {
    readonly noMoment: number;
    readonly keys: readonly StagedKey[];
    readonly counts: readonly unknown[];
  },
): Promise<void> {
  const refuse = async (count: number, what: string, condition: string): Promise<void> => {
    if (count === 0) return;
    const first = await connection.runAndReadAll(
      `SELECT min(row_number) FROM ${TABLE} WHERE ${condition}`,
    );
    const { file, row } = entities.locate(Number(first.getRows()[0]![0]));
    throw invalidEntityRows(
      `${count} x ${what}, first in row ${row} of ${file} (rows count from 0)`,
    );
  };
  await refuse(
    found.noMoment,
    `no moment in column ${entities.eventTimestampColumn}`,
    'moment IS NULL',
  );
  for (const [i, { entityColumn, valueType, name }] of found.keys.entries()) {
    await refuse(
      Number(found.counts[i]),
      `a value in column ${entityColumn} that is no ${valueTypeName(valueType)}`,
      `bad_${name}`,
    );
  }
}
