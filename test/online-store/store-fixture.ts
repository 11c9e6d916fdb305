import { Buffer } from 'node:buffer';
import { serializeEntityKey } from '../../src/feast-encoding/entity-key.ts';
import { decodeTimestamp } from '../../src/feast-encoding/timestamp.ts';
import { readValue } from '../../src/feast-encoding/value-reader.ts';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import { writeValue } from '../../src/feast-encoding/value-writer.ts';
import type { FeatureValue } from '../../src/feast-encoding/typed-value.ts';
import type {
  OnlineStore,
  ReadOptions,
  ViewLayout,
  WriteResult,
  WriteRow,
} from '../../src/online-store/online-store.ts';
import { readCells, type Cell } from '../support/stored-cells.ts';

/** 2025-01-01T00:00:00Z. */
export const NEW_YEAR_NS = 1_735_689_600_000_000_000n;
export const SECOND_NS = 1_000_000_000n;

/** Far enough for anything that works. */
export function soon(timeoutMs = 20_000): ReadOptions {
  return { deadlineAtMs: performance.now() + timeoutMs };
}

/** The version 3 key of one int64 entity. */
export function entityKey(id: number | bigint): Uint8Array {
  return serializeEntityKey(['id'], [{ type: ValueType.INT64, value: BigInt(id) }], 3);
}

/** The version 3 key of one entity that is arbitrary bytes. */
export function binaryEntityKey(bytes: Uint8Array): Uint8Array {
  return serializeEntityKey(['id'], [{ type: ValueType.BYTES, value: bytes }], 3);
}

export function int64(value: number | bigint): Uint8Array {
  return writeValue(ValueType.INT64, BigInt(value));
}

export function text(value: string): Uint8Array {
  return writeValue(ValueType.STRING, value);
}

let projects = 0;

/** One view of a project of its own in a store, with the calls of a test in short form. */
export interface ViewFixture {
  readonly project: string;
  readonly view: ViewLayout;
  write(rows: readonly WriteRow[]): Promise<WriteResult>;
  /** Cells of the view's features and its timestamp for each entity key. */
  read(
    entityKeys: readonly Uint8Array[],
    limits?: ReadOptions,
  ): Promise<readonly (readonly Cell[])[]>;
  /** Decoded features of one entity; `undefined` = nothing stored. */
  valuesOf(entityKey: Uint8Array): Promise<(FeatureValue | undefined)[]>;
  /** Event timestamp of one entity's row; `undefined` = none. */
  timestampOf(entityKey: Uint8Array): Promise<bigint | undefined>;
}

/** Makes room for a view in a fresh project. */
export async function openView(
  store: OnlineStore,
  featureNames: readonly string[] = ['a', 'b'],
): Promise<ViewFixture> {
  const project = `project_${process.pid}_${projects++}`;
  const view: ViewLayout = { storedName: 'stats', featureNames };
  await store.update(project, [view.storedName], []);
  const prepared = store.prepare({ project, joinKeys: ['id'], views: [view] });
  const read: ViewFixture['read'] = async (entityKeys, limits = soon()) => {
    const keys = entityKeys.map((key) => Buffer.concat([key, prepared.keySuffix]));
    const [cells] = await readCells(store, [{ prepared, keys }], limits);
    const { width } = prepared;
    return entityKeys.map((_, i) => cells!.slice(i * width, (i + 1) * width));
  };
  return {
    project,
    view,
    write: (rows) => store.write({ project, joinKeys: ['id'], view, rows }, soon()),
    read,
    async valuesOf(key) {
      const [cells] = await read([key]);
      return cells!.slice(0, -1).map((cell) => (cell === null ? undefined : readValue(cell).value));
    },
    async timestampOf(key) {
      const cell = (await read([key]))[0]!.at(-1)!;
      return cell === null ? undefined : decodeTimestamp(cell);
    },
  };
}

/** A row with a whole set of values. */
export function row(
  key: Uint8Array,
  eventTimestampNs: bigint,
  ...values: readonly (Uint8Array | undefined)[]
): WriteRow {
  return { entityKey: key, eventTimestampNs, values };
}
