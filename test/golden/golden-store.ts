import { readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { hashFeatureField, timestampField } from '../../src/feast-encoding/hash-field.ts';
import { decodeTimestamp } from '../../src/feast-encoding/timestamp.ts';
import { scenarioFile, type GoldenVariant } from '../support/golden-vectors.ts';

/** What Feast stored for one feature of one entity. */
export interface StoredFeature {
  /** An encoded `Value`, empty = a null; `undefined` where nothing is stored. */
  readonly value: Uint8Array | undefined;
  /** Of the row, in nanoseconds; `undefined` where the view has no row for the entity, or no time for it. */
  readonly eventTimestampNs: bigint | undefined;
}

/** The recorded contents of a store. */
export interface GoldenStore {
  /** @param storedName of the view, with `_vN` for versions. */
  find(storedName: string, featureName: string, entityKey: Uint8Array): StoredFeature;
  close(): void;
}

/** Opens what was recorded for a variant. */
export function openGoldenStore(variant: GoldenVariant, project: string): GoldenStore {
  return variant.store === 'redis' ? openDump(variant, project) : openTables(variant, project);
}

interface DumpedKey {
  readonly key_b64: string;
  readonly fields?: readonly { readonly field_b64: string; readonly value_b64: string }[];
}

function openDump({ scenario, variant }: GoldenVariant, project: string): GoldenStore {
  const text = readFileSync(scenarioFile(scenario, `redis_dump.${variant}.jsonl`), 'utf8');
  const keys = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as DumpedKey);
  const hashes = new Map(
    keys.map(({ key_b64, fields = [] }) => [
      key_b64,
      new Map(fields.map(({ field_b64, value_b64 }) => [field_b64, value_b64])),
    ]),
  );
  return {
    find(storedName, featureName, entityKey) {
      const hash = hashes.get(base64(Buffer.concat([entityKey, Buffer.from(project)])));
      const value = hash?.get(base64(hashFeatureField(storedName, featureName)));
      const timestamp = hash?.get(base64(timestampField(storedName)));
      return {
        value: value === undefined ? undefined : Buffer.from(value, 'base64'),
        eventTimestampNs:
          timestamp === undefined ? undefined : decodeTimestamp(Buffer.from(timestamp, 'base64')),
      };
    },
    close() {},
  };
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

interface StoredRow {
  readonly feature_name: string;
  readonly value: Uint8Array | null;
  readonly event_ts: number;
}

function openTables({ scenario, variant }: GoldenVariant, project: string): GoldenStore {
  const path = scenarioFile(scenario, `online.${variant}.db`);
  const database = new DatabaseSync(path, { readOnly: true });
  return {
    find(storedName, featureName, entityKey) {
      const table = `${project}_${storedName}`.replaceAll('"', '""');
      const rows = database
        .prepare(`SELECT feature_name, value, event_ts FROM "${table}" WHERE entity_key = ?`)
        .all(entityKey) as unknown as readonly StoredRow[];
      const row = rows.find((candidate) => candidate.feature_name === featureName);
      const newest = Math.max(...rows.map((candidate) => candidate.event_ts));
      return {
        value: row === undefined ? undefined : (row.value ?? new Uint8Array()),
        eventTimestampNs: rows.length === 0 ? undefined : BigInt(newest) * 1_000_000_000n,
      };
    },
    close: () => database.close(),
  };
}
