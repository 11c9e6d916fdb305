import { readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { hashFeatureField, timestampField } from '../../src/feast-encoding/hash-field.ts';
import { parseEntityKey, type ParsedEntityKey } from '../../src/feast-encoding/parse-entity-key.ts';
import { decodeTimestamp } from '../../src/feast-encoding/timestamp.ts';
import { scenarioFile, type GoldenVariant } from '../support/golden-vectors.ts';

/** What Feast stored for one feature of one entity. */
export interface StoredFeature {
  /** An encoded `Value`, empty = a null; `undefined` where nothing is stored. */
  readonly value: Uint8Array | undefined;
  /** Of the row, in nanoseconds; `undefined` where the view has no row for the entity, or no time for it. */
  readonly eventTimestampNs: bigint | undefined;
}

/** The recorded contents of a store, as far as they are of one project. */
export interface GoldenStore {
  /** @param storedName of the view, with `_vN` for versions. */
  find(storedName: string, featureName: string, entityKey: Uint8Array): StoredFeature;
  /** Every entity that something is stored for, in no particular order. */
  readonly entities: readonly StoredEntity[];
  /** Stored features of all entities. */
  readonly featureCount: number;
}

export interface StoredEntity {
  /** Serialized, without the project. */
  readonly key: Uint8Array;
  readonly parsed: ParsedEntityKey;
}

/** Opens what was recorded for a variant. */
export function openGoldenStore(variant: GoldenVariant, project: string): GoldenStore {
  return variant.store === 'redis' ? openDump(variant, project) : openTables(variant, project);
}

/** The layout of the entity keys of a variant. */
export function entityKeyVersion({ variant }: GoldenVariant): 2 | 3 {
  return variant.includes('ekv2') ? 2 : 3;
}

interface DumpedKey {
  readonly key_b64: string;
  readonly type: string;
  readonly fields?: readonly { readonly field_b64: string; readonly value_b64: string }[];
}

function openDump(variant: GoldenVariant, project: string): GoldenStore {
  const path = scenarioFile(variant.scenario, `redis_dump.${variant.variant}.jsonl`);
  const dumped = readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as DumpedKey)
    .filter(({ type }) => type === 'hash');
  const suffix = Buffer.from(project);
  const hashes = new Map<string, ReadonlyMap<string, string>>();
  const entities: StoredEntity[] = [];
  for (const { key_b64, fields = [] } of dumped) {
    const entity = entityOf(Buffer.from(key_b64, 'base64'), entityKeyVersion(variant), suffix);
    if (entity === undefined) continue;
    entities.push(entity);
    const hash = fields.map(({ field_b64, value_b64 }) => [field_b64, value_b64] as const);
    hashes.set(base64(entity.key), new Map(hash));
  }
  const isFeature = (field: string): boolean => Buffer.from(field, 'base64').length === 4;
  return {
    entities,
    featureCount: [...hashes.values()].flatMap((hash) => [...hash.keys()].filter(isFeature)).length,
    find(storedName, featureName, entityKey) {
      const hash = hashes.get(base64(entityKey));
      const value = hash?.get(base64(hashFeatureField(storedName, featureName)));
      const timestamp = hash?.get(base64(timestampField(storedName)));
      return {
        value: value === undefined ? undefined : Buffer.from(value, 'base64'),
        eventTimestampNs:
          timestamp === undefined ? undefined : decodeTimestamp(Buffer.from(timestamp, 'base64')),
      };
    },
  };
}

/** `undefined` where the key is of another project. */
function entityOf(redisKey: Buffer, version: 2 | 3, project: Buffer): StoredEntity | undefined {
  if (!redisKey.subarray(-project.length).equals(project)) return undefined;
  const parsed = parseEntityKey(redisKey, version, project);
  if (parsed.end !== redisKey.length - project.length) return undefined;
  return { key: redisKey.subarray(0, parsed.end), parsed };
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

interface StoredRow {
  readonly entity_key: Uint8Array;
  readonly feature_name: string;
  readonly value: Uint8Array | null;
  readonly event_ts: number;
}

function openTables(variant: GoldenVariant, project: string): GoldenStore {
  const path = scenarioFile(variant.scenario, `online.${variant.variant}.db`);
  const database = new DatabaseSync(path, { readOnly: true });
  const tables = database
    .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB ?")
    .all(`${project}_*`) as unknown as readonly { readonly name: string }[];
  const rowsByTable = new Map(
    tables.map(({ name }) => {
      const rows = database
        .prepare(`SELECT entity_key, feature_name, value, event_ts FROM "${name}"`)
        .all() as unknown as readonly StoredRow[];
      return [name, Map.groupBy(rows, (row) => base64(row.entity_key))];
    }),
  );
  database.close();
  const tableRows = [...rowsByTable.values()];
  const keys = new Set(tableRows.flatMap((rowsByKey) => [...rowsByKey.keys()]));
  return {
    entities: [...keys].map((encoded) => {
      const key = Buffer.from(encoded, 'base64');
      return { key, parsed: parseEntityKey(key, entityKeyVersion(variant)) };
    }),
    featureCount: tableRows.flatMap((rowsByKey) => [...rowsByKey.values()].flat()).length,
    find(storedName, featureName, entityKey) {
      const rows = rowsByTable.get(`${project}_${storedName}`)?.get(base64(entityKey)) ?? [];
      const row = rows.find((candidate) => candidate.feature_name === featureName);
      const newest = Math.max(...rows.map((candidate) => candidate.event_ts));
      return {
        value: row === undefined ? undefined : (row.value ?? new Uint8Array()),
        eventTimestampNs: rows.length === 0 ? undefined : BigInt(newest) * 1_000_000_000n,
      };
    },
  };
}
