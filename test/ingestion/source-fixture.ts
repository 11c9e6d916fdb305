import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll } from 'vitest';
import { parseEntityKey } from '../../src/feast-encoding/parse-entity-key.ts';
import { RowSlab } from '../../src/feast-encoding/row-slab.ts';
import type { TypedValue } from '../../src/feast-encoding/typed-value.ts';
import { readValue } from '../../src/feast-encoding/value-reader.ts';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import type { ValueTypeName } from '../../src/feast-encoding/value-type.ts';
import type { WriteRow } from '../../src/online-store/online-store.ts';
import { parseMoment } from '../../src/ingestion/materialization-window.ts';
import { compileRowReader } from '../../src/ingestion/row-reader.ts';
import { resolveSourceColumns } from '../../src/ingestion/source-columns.ts';
import { openSourceDatabase } from '../../src/ingestion/source-database.ts';
import { findSourceFiles } from '../../src/ingestion/source-files.ts';
import { compileSourceQueries } from '../../src/ingestion/source-queries.ts';
import type {
  BatchSourceDefinition,
  FieldDefinition,
  ViewDefinition,
} from '../../src/registry/registry-model.ts';

/** Fields from `{name: 'INT64'}`. */
export function fieldsOf(types: Readonly<Record<string, ValueTypeName>>): FieldDefinition[] {
  return Object.entries(types).map(([name, type]) => ({ name, valueType: ValueType[type] }));
}

/** A feature view `v` with what a test needs to say of it; one join key `id` INT64 and one feature `f` INT64 by default. */
export function viewOf(part: Partial<ViewDefinition> = {}): ViewDefinition {
  const features = part.features ?? fieldsOf({ f: 'INT64' });
  return {
    kind: 'feature_view',
    name: 'v',
    entityNames: ['id'],
    joinKeys: fieldsOf({ id: 'INT64' }),
    ttlSeconds: 0,
    disabled: false,
    online: true,
    state: 'unspecified',
    versionNumber: 0,
    tags: {},
    owner: '',
    description: '',
    ...part,
    features,
    featuresByName: new Map(features.map((field) => [field.name, field])),
  };
}

/** A file source `s` with event timestamps in `ts` and no created timestamp. */
export function sourceOf(part: Partial<BatchSourceDefinition>): BatchSourceDefinition {
  return {
    name: 's',
    kind: 'file',
    uri: 'data.parquet',
    s3EndpointOverride: '',
    timestampField: 'ts',
    createdTimestampField: '',
    fieldMapping: new Map(),
    ...part,
  };
}

/** A folder of the operating system's temporary one, removed after the tests of the file. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sideboard-test-'));
  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
  });
  return folder;
}

/** Writes what a query gives to a Parquet file. */
export async function writeParquet(path: string, query: string): Promise<void> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    await connection.run("SET TimeZone = 'UTC'");
    await connection.run(`COPY (${query}) TO '${path}' (FORMAT parquet)`);
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

/** One row as a test reads it. */
export interface ReadRow {
  /** Values of the entity key, in the order of its join keys. */
  readonly key: readonly unknown[];
  readonly entityKey: Uint8Array;
  readonly eventTimestampNs: bigint;
  readonly createdTimestampNs: bigint | undefined;
  readonly values: readonly TypedValue[];
}

/** Latest rows of a source in their order, and the rows with a value that does not fit. */
export interface LatestRows {
  readonly rows: readonly ReadRow[];
  readonly misfits: readonly string[];
}

/** Reads a source as `ingestView` does, without a store. */
export async function readLatest(
  folder: string,
  view: ViewDefinition,
  source: BatchSourceDefinition,
  [start, end]: readonly [string, string] = ['2000-01-01', '2100-01-01'],
  order: 'source' | 'entity keys' = 'source',
): Promise<LatestRows> {
  const files = await findSourceFiles(source.uri, folder, view.name);
  const database = await openSourceDatabase(view.name, { ...files, release: async () => {} }, 5);
  try {
    const columns = resolveSourceColumns(view, source, database.types);
    const reader = compileRowReader(view, columns, 3);
    const window = { startNs: parseMoment(start, 'start'), endNs: parseMoment(end, 'end') };
    const queries = compileSourceQueries(
      database.relation,
      columns,
      reader.joinKeys,
      window,
      order,
    );
    await database.connection.run(queries.chooseLatest);
    const counted = await database.connection.runAndReadAll(
      `SELECT (SELECT count(*) FROM latest) = (SELECT count(*) FROM ${database.relation.sql})`,
    );
    const isAll = counted.getRows()[0]![0] === true;
    const { chunks } = await database.connection.stream(
      isAll ? queries.allRows : queries.latestRows,
    );
    const slab = new RowSlab(view.features.length);
    const misfits: string[] = [];
    for await (const chunk of chunks) {
      for (let row = 0; row < chunk.rowCount; row++) {
        const misfit = reader.read(chunk, row, slab);
        if (misfit !== undefined) misfits.push(misfit);
      }
    }
    return { rows: slab.rows().map(toReadRow), misfits };
  } finally {
    await database.close();
  }
}

function toReadRow(row: WriteRow): ReadRow {
  return {
    entityKey: row.entityKey,
    key: parseEntityKey(row.entityKey, 3).values.map(({ value }) => value),
    eventTimestampNs: row.eventTimestampNs,
    createdTimestampNs: row.createdTimestampNs,
    values: row.values.map((bytes) => readValue(bytes!)),
  };
}
