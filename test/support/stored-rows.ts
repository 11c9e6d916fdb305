import { DatabaseSync } from 'node:sqlite';
import type { Redis } from 'ioredis';
import { hashFeatureField, timestampField } from '../../src/feast-encoding/hash-field.ts';
import { readValue } from '../../src/feast-encoding/value-reader.ts';
import { writeTypedValue } from '../../src/feast-encoding/value-writer.ts';
import type { TypedValue } from '../../src/feast-encoding/typed-value.ts';
import type { RegistrySnapshot } from '../../src/registry/registry-model.ts';

/**
 * What an online store holds, in one form for all stores: `view entity-key-in-hex feature` → the value in base64, and in
 * SQLite what stands beside it. Redis has one more cell per view, `_ts`.
 */
export type StoredCells = ReadonlyMap<string, string>;

/** Cells that differ, with what they hold afterwards; `null` = nothing any more. */
export type StoredDelta = ReadonlyMap<string, string | null>;

export const TIMESTAMP_CELL = '_ts';

export function cellName(view: string, entityKeyHex: string, feature: string): string {
  return `${view} ${entityKeyHex} ${feature}`;
}

export function deltaBetween(before: StoredCells, after: StoredCells): StoredDelta {
  const delta = new Map<string, string | null>();
  for (const [name, value] of after) {
    if (before.get(name) !== value) delta.set(name, value);
  }
  for (const name of before.keys()) {
    if (!after.has(name)) delta.set(name, null);
  }
  return delta;
}

/** Names of the Redis hash fields of all views of a project. */
export type FieldNames = ReadonlyMap<string, { readonly view: string; readonly feature: string }>;

export function fieldNames(snapshot: RegistrySnapshot): FieldNames {
  const names = new Map<string, { view: string; feature: string }>();
  for (const { name: view, features } of snapshot.views.values()) {
    names.set(base64(timestampField(view)), { view, feature: TIMESTAMP_CELL });
    for (const { name } of features) {
      names.set(base64(hashFeatureField(view, name)), { view, feature: name });
    }
  }
  return names;
}

/** One field of a Redis hash as a cell; fields of no known feature keep their bytes as a name. */
export function redisCell(
  names: FieldNames,
  project: string,
  key: Uint8Array,
  field: Uint8Array,
  value: Uint8Array | null,
): readonly [string, string | null] {
  const known = names.get(base64(field));
  const entityKey = Buffer.from(key).subarray(0, key.length - Buffer.byteLength(project));
  const { view, feature } = known ?? { view: '?', feature: base64(field) };
  const name = cellName(view, entityKey.toString('hex'), feature);
  if (value === null) return [name, null];
  return [name, feature === TIMESTAMP_CELL ? base64(value) : canonicalValue(value)];
}

export async function redisCells(
  client: Redis,
  names: FieldNames,
  project: string,
): Promise<StoredCells> {
  const cells = new Map<string, string>();
  for (const key of await client.keysBuffer('*')) {
    const hash = await client.callBuffer('HGETALL', key);
    const parts = hash as Buffer[];
    for (let i = 0; i < parts.length; i += 2) {
      const [name, value] = redisCell(names, project, key, parts[i]!, parts[i + 1]!);
      cells.set(name, value!);
    }
  }
  return cells;
}

/** A row of a table of Feast's SQLite layout. */
export interface SqliteRow {
  readonly entity_key_hex: string;
  readonly feature_name: string;
  readonly value_b64: string;
  readonly value_text: string | null;
  readonly vector_value: string | null;
  readonly event_ts: number;
  readonly created_ts: number | null;
}

export function sqliteCell(view: string, row: SqliteRow): readonly [string, string] {
  const { value_text, vector_value, event_ts, created_ts } = row;
  const value = canonicalValue(Buffer.from(row.value_b64, 'base64'));
  return [
    cellName(view, row.entity_key_hex, row.feature_name),
    JSON.stringify({ value, value_text, vector_value, event_ts, created_ts }),
  ];
}

export function sqliteCells(path: string, project: string, views: Iterable<string>): StoredCells {
  const database = new DatabaseSync(path, { readOnly: true });
  const cells = new Map<string, string>();
  try {
    for (const view of views) {
      const rows = database
        .prepare(
          `SELECT lower(hex(entity_key)) AS entity_key_hex, feature_name, value, value_text, vector_value, event_ts,
             created_ts FROM "${project}_${view}"`,
        )
        .all() as unknown as (SqliteRow & { readonly value: Uint8Array })[];
      for (const row of rows) {
        const [name, cell] = sqliteCell(view, { ...row, value_b64: base64(row.value) });
        cells.set(name, cell);
      }
    }
  } finally {
    database.close();
  }
  return cells;
}

/** The bytes with the entries of maps in order of their names: protobuf gives them none. */
function canonicalValue(bytes: Uint8Array): string {
  return base64(writeTypedValue(sortMaps(readValue(bytes))));
}

function sortMaps({ type, value }: TypedValue): TypedValue {
  if (!(value instanceof Map)) return { type, value };
  const entries = [...(value as ReadonlyMap<string, TypedValue>)];
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return { type, value: new Map(entries.map(([name, item]) => [name, sortMaps(item)])) };
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}
